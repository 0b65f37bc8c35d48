"""Alembic revisions, run by pmmds_core.stores.database.schema. A revision is one file, applied in one transaction."""
