"""Runs the revisions on the connection that `pmmds_core.stores.database.schema` hands over, inside its transaction.

`pmmds db migrate` is the way in: it holds the lock. Keep out: URLs and settings.
"""

from alembic import context

from pmmds_core.stores.database.tables import fixed

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=fixed,
    transactional_ddl=True,  # SQLite too: PMMDS begins its transactions itself
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
