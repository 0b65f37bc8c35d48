"""The Alembic revisions, which pmmds_core.stores.database.schema runs.

Each revision is a file and runs in one transaction.
"""
