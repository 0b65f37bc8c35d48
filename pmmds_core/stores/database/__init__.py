"""The database engine, tables, migrations, dialects, partitions, roles and backups.

Not here: queries, which are in the package of each store.
"""
