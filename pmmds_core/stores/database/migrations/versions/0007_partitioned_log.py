"""On PostgreSQL the prediction log is partitioned by day; ids that clients gave and archived days have tables.

Rows that are there move into their days. SQLite keeps its one table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_prediction_logs_ingested_at": ["ingested_at"],
    "ix_prediction_logs_version": ["model_version", "predicted_at"],
    "ix_prediction_logs_predicted_at": ["predicted_at"],
}


# The functions have the rights of the tables' owner: who keeps the log's days needs no right to change tables.
# Both lock as everybody who reads or writes the log does, archive and parent first, so that nobody waits in a circle.
_MAKE_DAY = """
CREATE FUNCTION {schema}.pmmds_make_day(wanted date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text := 'prediction_logs_' || to_char(wanted, 'YYYYMMDD');
    columns text;
    n_moved bigint;
BEGIN
    LOCK TABLE ONLY prediction_logs IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(format('{schema}.%I', name)) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    LOCK TABLE prediction_logs_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %I (LIKE prediction_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
        WHERE attrelid = 'prediction_logs'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'WITH moved AS (DELETE FROM prediction_logs_default WHERE predicted_at >= %L AND predicted_at < %L '
        'RETURNING %s) INSERT INTO %I (%s) SELECT %s FROM moved',
        wanted, wanted + 1, columns, name, columns, columns);
    GET DIAGNOSTICS n_moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE prediction_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, wanted, wanted + 1);
    RETURN n_moved;
END $$
"""

# False: the day has other rows than were archived, so it stays.
_DROP_DAY = """
CREATE FUNCTION {schema}.pmmds_drop_day(unwanted date, n_archived bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text := 'prediction_logs_' || to_char(unwanted, 'YYYYMMDD');
    n_found bigint;
BEGIN
    IF unwanted >= timezone('UTC', statement_timestamp())::date THEN
        RAISE EXCEPTION 'the day % is not over', unwanted;
    END IF;
    LOCK TABLE prediction_archives IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY prediction_logs IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('{schema}.%I', name)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT count(*) FROM %I', name) INTO n_found;
    IF n_found <> n_archived THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "client_request_ids",
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_client_request_ids_predicted_at", "client_request_ids", ["predicted_at"])
    op.create_table(
        "prediction_archives",
        sa.Column("day", sa.DateTime(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_repeated", sa.Integer(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("archived_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("day", "part"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _partition()


def downgrade() -> None:
    raise NotImplementedError("Days that were archived cannot be put back; restore a backup.")


def _partition() -> None:
    """The table anew, with its days; the rows; then the old table goes."""
    for index in _INDEXES:
        op.drop_index(index, "prediction_logs")
    op.execute("ALTER TABLE prediction_logs DROP CONSTRAINT prediction_logs_pkey")
    op.rename_table("prediction_logs", "prediction_logs_whole")
    op.execute(
        "CREATE TABLE prediction_logs (LIKE prediction_logs_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) "
        "PARTITION BY RANGE (predicted_at)"
    )
    # COPY takes the clock from here.
    op.execute("ALTER TABLE prediction_logs ALTER ingested_at SET DEFAULT timezone('UTC', statement_timestamp())")
    op.execute("CREATE TABLE prediction_logs_default PARTITION OF prediction_logs DEFAULT")
    op.create_primary_key("prediction_logs_pkey", "prediction_logs", ["request_id", "predicted_at"])
    for index, columns in _INDEXES.items():
        op.create_index(index, "prediction_logs", columns)
    _create_functions(op.get_bind())
    op.execute(
        "SELECT pmmds_make_day(day) FROM (SELECT DISTINCT predicted_at::date AS day FROM prediction_logs_whole) AS days"
    )
    op.execute("INSERT INTO prediction_logs SELECT * FROM prediction_logs_whole")
    # A UUID of version 7 holds about its instant, so it is found in its day; all others are remembered.
    op.execute(
        "INSERT INTO client_request_ids SELECT request_id, predicted_at FROM prediction_logs_whole "
        r"WHERE request_id !~ '^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}(-\d+)?$'"
    )
    op.execute("DROP TABLE prediction_logs_whole")


def _create_functions(connection: sa.Connection) -> None:
    """Only their owner may call them until others are granted it."""
    found = connection.execute(sa.select(sa.func.current_schema())).scalar_one()
    schema = connection.dialect.identifier_preparer.quote(found)
    for text in (_MAKE_DAY, _DROP_DAY):
        connection.exec_driver_sql(text.replace("{schema}", schema).replace("%", "%%"))
    for signature in ("pmmds_make_day(date)", "pmmds_drop_day(date, bigint)"):
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
