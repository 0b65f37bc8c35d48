"""Engine, tables, migrations, dialects, partitions, roles and backup.

Not here: queries, which are in the store packages of their subjects.
"""
