"""Alembic's entry point: runs the revisions on the connection of pmmds_core.stores.database.schema, in its transaction.

Start it with `pmmds db migrate`, which holds the migration lock. Not here: URLs and settings.
"""

from alembic import context

from pmmds_core.stores.database.identity_tables import fixed

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=fixed,
    transactional_ddl=True,  # also for SQLite, because PMMDS begins its transactions explicitly
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
