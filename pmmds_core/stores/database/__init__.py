"""Engine, tables, migrations/, dialects, partitions, roles, backup.

Queries of a subject are in its own store package.
"""
