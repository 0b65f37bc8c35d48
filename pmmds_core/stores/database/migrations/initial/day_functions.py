"""PostgreSQL functions that create and drop the daily partitions of the prediction log.

They run with the privileges of the tables' owner (SECURITY DEFINER), so that logins need no privileges on the tables.
Each locks the archive table and the parent first, in the order of every reader and writer of the log, to avoid
deadlocks. Not here: privileges to call them (grants.py), the calls (partitions.py, predictions/archive.py).
"""

from __future__ import annotations

import sqlalchemy as sa

# Creates the partition of a day, moves its rows out of the default partition and returns their number; NULL if the
# partition exists. The day must be at most ten years ago or 31 days ahead, or have rows in the default partition, so
# that a caller cannot create an unlimited number of partitions.
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

# Records the part that holds the day's rows and drops the day's partition in one transaction. A part without new rows
# is recorded too, so that no day is dropped without a record. Each file belongs to one part. Returns false and drops
# nothing if the partition's row count differs from the part's.
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

# Drops the day's partition if it has no rows; returns true if it was dropped.
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


def create_functions(connection: sa.Connection) -> None:
    """Create the functions in the current schema, callable by their owner only."""
    current = connection.execute(sa.select(sa.func.current_schema())).scalar_one()
    schema = connection.dialect.identifier_preparer.quote(current)
    for text in (_MAKE_DAY, _DROP_DAY, _DROP_EMPTY_DAY):
        connection.exec_driver_sql(text.replace("{schema}", schema).replace("%", "%%"))
    for signature in _SIGNATURES:
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
