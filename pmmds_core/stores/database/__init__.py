"""Database engine, tables, migrations, dialects, partitions, roles and backup.

Not here: queries, which are in the package of each store.
"""
