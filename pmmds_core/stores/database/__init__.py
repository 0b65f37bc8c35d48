"""Engine, tables, migrations, dialects, partitions, roles and backup.

Does not live here: queries, which are in the store packages of their subjects.
"""
