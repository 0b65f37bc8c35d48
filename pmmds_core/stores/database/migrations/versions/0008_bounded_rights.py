"""On PostgreSQL timestamps are bounded and a day is dropped only with the record of its archive; run registrations.

SQLite gets the tables alone: its file is its user's own, and each constraint would copy the whole log.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pmmds_core.errors import StoreError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


_EARLIEST, _LATEST = "1970-01-01", "9999-01-01"
_TABLES = (
    "prediction_logs",
    "client_request_ids",
    "prediction_archives",
    "ground_truth",
    "label_observations",
    "shadow_predictions",
    "contract_columns",
    "reference_datasets",
    "feature_histograms",
    "histogram_watermarks",
    "stale_hours",
    "drift_reports",
    "drift_alerts",
    "alert_changes",
    "alert_notifications",
    "daily_performance",
    "retraining_runs",
    "model_evaluations",
    "promotion_decisions",
    "production_pointer",
    "registered_versions",
    "training_lock",
)

# As in 0007, the functions have the rights of the tables' owner and lock archive and parent first.
# A day is made of ten years back to a month ahead, or where rows wait for it: a caller cannot make any number of them.
_MAKE_DAY = """
CREATE FUNCTION {schema}.pmmds_make_day(wanted date) RETURNS bigint
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    today date := timezone('UTC', statement_timestamp())::date;
    name text;
    columns text;
    n_moved bigint;
BEGIN
    IF wanted < date '1970-01-01' OR wanted >= date '9999-01-01' THEN
        RAISE EXCEPTION 'the day % is not between 1970-01-01 and 9999-01-01', wanted;
    END IF;
    name := 'prediction_logs_' || to_char(wanted, 'YYYYMMDD');
    LOCK TABLE ONLY prediction_logs IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(format('{schema}.%I', name)) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    LOCK TABLE prediction_logs_default IN ACCESS EXCLUSIVE MODE;
    IF wanted NOT BETWEEN today - 3650 AND today + 31 AND NOT EXISTS (
        SELECT FROM prediction_logs_default WHERE predicted_at >= wanted AND predicted_at < wanted + 1
    ) THEN
        RAISE EXCEPTION 'the day % has no rows and is neither of the last ten years nor of the next 31 days', wanted;
    END IF;
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

# The part that holds the day's rows is recorded here, by the transaction that drops them, and nowhere else; also a
# part of rows that earlier parts had, so that no day goes without a record. One file belongs to one part.
# False: the day has other rows than the part, so it stays.
_DROP_DAY = """
CREATE FUNCTION {schema}.pmmds_drop_day(
    unwanted date, new_file text, new_rows integer, new_repeated integer, new_bytes bigint, new_digest text
) RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text;
    n_found bigint;
    n_archived bigint;
    newest integer;
BEGIN
    IF unwanted >= timezone('UTC', statement_timestamp())::date THEN
        RAISE EXCEPTION 'the day % is not over', unwanted;
    END IF;
    IF new_digest !~ '^[0-9a-f]{64}$' OR new_rows < 0 OR new_repeated < 0 OR new_bytes < 0 OR new_file !~ (
        '^' || to_char(unwanted, 'YYYY-MM-DD') || '\\.' || left(new_digest, 12) || '\\.[0-9a-f]{4}\\.parquet$'
    ) THEN
        RAISE EXCEPTION 'the file % is not a part of the day %', new_file, unwanted;
    END IF;
    name := 'prediction_logs_' || to_char(unwanted, 'YYYYMMDD');
    LOCK TABLE prediction_archives IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY prediction_logs IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('{schema}.%I', name)) IS NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM prediction_archives p WHERE p.file = new_file) THEN
        RAISE EXCEPTION 'the file % is already recorded', new_file;
    END IF;
    SELECT coalesce(sum(p.n_rows), 0), coalesce(max(p.part), 0) INTO n_archived, newest
        FROM prediction_archives p WHERE p.day = unwanted;
    IF new_repeated > n_archived THEN
        RAISE EXCEPTION 'earlier parts of the day % have only % rows', unwanted, n_archived;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT count(*) FROM %I', name) INTO n_found;
    IF n_found <> new_rows::bigint + new_repeated THEN
        RETURN false;
    END IF;
    INSERT INTO prediction_archives (day, part, file, n_rows, n_repeated, n_bytes, digest, archived_at)
        VALUES (unwanted, newest + 1, new_file, new_rows, new_repeated, new_bytes, new_digest,
            timezone('UTC', statement_timestamp()));
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$
"""

_DROP_EMPTY_DAY = """
CREATE FUNCTION {schema}.pmmds_drop_empty_day(unwanted date) RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text;
    is_empty boolean;
BEGIN
    IF unwanted >= timezone('UTC', statement_timestamp())::date THEN
        RAISE EXCEPTION 'the day % is not over', unwanted;
    END IF;
    name := 'prediction_logs_' || to_char(unwanted, 'YYYYMMDD');
    LOCK TABLE prediction_archives IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY prediction_logs IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('{schema}.%I', name)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', name) INTO is_empty;
    IF is_empty THEN
        EXECUTE format('DROP TABLE %I', name);
    END IF;
    RETURN is_empty;
END $$
"""
_SIGNATURES = (
    "pmmds_make_day(date)",
    "pmmds_drop_day(date, text, integer, integer, bigint, text)",
    "pmmds_drop_empty_day(date)",
)


def upgrade() -> None:
    _create_registered_versions()
    _create_training_lock()
    if op.get_bind().dialect.name == "postgresql":
        _bound()


def downgrade() -> None:
    raise NotImplementedError("Functions of revision 0007 would let a day be dropped unrecorded; restore a backup.")


def _create_registered_versions() -> None:
    op.create_table(
        "registered_versions",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("training_digest", sa.String(length=64), nullable=False),
        sa.Column("holdout_digest", sa.String(length=64), nullable=False),
        sa.Column("registered_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "version"),
    )
    op.create_index("ix_registered_versions_run_id", "registered_versions", ["run_id"])


def _create_training_lock() -> None:
    op.create_table(
        "training_lock",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("locked_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )


def _bound() -> None:
    connection = op.get_bind()
    columns = [
        (table, column["name"])
        for table in _TABLES
        for column in sa.inspect(connection).get_columns(table)
        if isinstance(column["type"], sa.DateTime)
    ]
    _refuse_rows_outside(connection, columns)
    for table, column in columns:
        op.create_check_constraint(f"{table}_{column}_range", table, _inside(column))
    op.create_check_constraint(
        "prediction_archives_file_name", "prediction_archives", "file ~ '^[0-9A-Za-z][0-9A-Za-z._-]*$'"
    )
    for signature in ("pmmds_make_day(date)", "pmmds_drop_day(date, bigint)"):
        op.execute(f"DROP FUNCTION {signature}")
    _create_functions(connection)


def _inside(column: str) -> str:
    return f"{column} >= '{_EARLIEST}' AND {column} < '{_LATEST}'"


def _refuse_rows_outside(connection: sa.Connection, columns: list[tuple[str, str]]) -> None:
    """Raises StoreError: rows that no program can read would break the first one that reads them."""
    for table, column in columns:
        where = f"NOT ({_inside(column)})"
        n_rows = connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {where}").scalar_one()
        if n_rows:
            raise StoreError(
                f"{table} has {n_rows} rows whose {column} is not between {_EARLIEST} and {_LATEST}. "
                "Nothing was changed.",
                next_step=f"Look at them, then run `DELETE FROM {table} WHERE {where}` and `pmmds db migrate` again.",
            )


def _create_functions(connection: sa.Connection) -> None:
    """Only their owner may call them until others are granted it."""
    found = connection.execute(sa.select(sa.func.current_schema())).scalar_one()
    schema = connection.dialect.identifier_preparer.quote(found)
    for text in (_MAKE_DAY, _DROP_DAY, _DROP_EMPTY_DAY):
        connection.exec_driver_sql(text.replace("{schema}", schema).replace("%", "%%"))
    for signature in _SIGNATURES:
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
