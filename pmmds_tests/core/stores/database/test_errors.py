"""Database errors consist of one sentence and a next step, and never show a password."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import (
    DatabaseUnavailableError,
    HomeNotWritableError,
    RegistryUnavailableError,
    SchemaOutdatedError,
    SettingError,
)
from pmmds_core.stores.artifacts.model_registry import ModelRegistry
from pmmds_core.stores.database.dialects import database_now
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.reachability import check_dagster_database, check_mlflow_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.prediction_records import make_records


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path / "home"))


def file_of(settings: Settings) -> Path:
    return settings.home_path / "pmmds.db"


def test_a_new_database_is_reachable(empty_database: Database) -> None:
    with empty_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE probe (n INTEGER)")
    empty_database.ping()


def test_a_failed_transaction_is_rolled_back(empty_database: Database) -> None:
    def begin_and_fail() -> None:
        with empty_database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE probe (n INTEGER)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin_and_fail()
    with empty_database.connect() as connection:
        assert not sa.inspect(connection).has_table("probe")


def test_a_snapshot_does_not_include_later_commits(
    open_again: Callable[[], Database], database: Database, contract: Contract
) -> None:
    log = PredictionLog(open_again(), contract)
    count = sa.text("SELECT count(*) FROM prediction_logs")
    with database.snapshot() as connection:
        assert connection.execute(count).scalar_one() == 0
        log.append(make_records(contract, 3))
        assert connection.execute(count).scalar_one() == 0
    assert log.count() == 3


def test_the_error_for_a_missing_table_suggests_the_migrate_command(empty_database: Database) -> None:
    with pytest.raises(SchemaOutdatedError, match=r"pmmds db migrate"), empty_database.connect() as connection:
        connection.execute(sa.text("SELECT * FROM prediction_logs"))


def test_sqlite_is_configured_for_access_by_several_processes(home: Settings) -> None:
    with open_database(home).connect() as connection:
        pragmas = ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
    assert values == ["wal", 15000, 1, 2]


def test_a_file_that_is_not_a_sqlite_database_is_reported(home: Settings) -> None:
    file_of(home).parent.mkdir()
    file_of(home).write_text("a shopping list, long enough to have a header " * 20)
    with pytest.raises(DatabaseUnavailableError, match=r"pmmds\.db is not a SQLite database\. Set"):
        open_database(home).ping()


def test_a_damaged_database_file_is_reported_with_a_next_step(home: Settings, contract: Contract) -> None:
    database = open_database(home)
    migrate(database, contract)
    PredictionLog(database, contract).append(make_records(contract, 500))
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 1")
    database.close()
    with file_of(home).open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 40960)
    with pytest.raises(DatabaseUnavailableError, match=r"is damaged\. Restore it from a backup"):
        PredictionLog(open_database(home), contract).recent(500)


def test_a_read_only_database_file_is_reported_with_a_next_step(home: Settings, contract: Contract) -> None:
    migrate(open_database(home), contract)
    reading = Settings(home=home.home, database_url=f"sqlite:///file:{file_of(home)}?mode=ro&uri=true")
    with pytest.raises(DatabaseUnavailableError, match=r"is read-only\. Make the file"):
        PredictionLog(open_database(reading), contract).append(make_records(contract, 1))


def test_no_logged_rows_are_lost_if_the_disk_is_full(home: Settings, contract: Contract) -> None:
    database = open_database(home)
    migrate(database, contract)
    log = PredictionLog(database, contract)
    log.append(make_records(contract, 10))
    with database.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(DatabaseUnavailableError, match=r"has no disk space left\. Free disk space"):
        log.append(make_records(contract, 5000, prefix="many"))
    assert log.count() == 10


def test_the_error_for_a_locked_database_file_suggests_a_retry(home: Settings, contract: Contract) -> None:
    migrate(open_database(home), contract)
    holder = sqlite3.connect(file_of(home), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = open_database(home, busy_timeout_seconds=0.05)
    with pytest.raises(DatabaseUnavailableError, match=r"is locked by another process\. Try again"):
        PredictionLog(impatient, contract).append(make_records(contract, 1))
    holder.close()


def test_a_missing_database_file_is_reported(home: Settings, contract: Contract) -> None:
    database = open_database(home)
    migrate(database, contract)
    file_of(home).unlink()
    with pytest.raises(DatabaseUnavailableError, match="does not exist"):
        database.ping()


def test_the_error_for_a_home_that_cannot_be_created_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeNotWritableError, match=r"file/home of the database cannot be created: Not a directory"):
        open_database(Settings(home=str(tmp_path / "file" / "home")))


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/db", "nonsense secret", "oracle+secret://x"]
)
def test_the_error_for_an_invalid_url_does_not_show_the_url(url: str) -> None:
    with pytest.raises(SettingError, match="PMMDS_DATABASE_URL is not the URL of a database") as raised:
        open_database(Settings(database_url=url))
    assert "secret" not in str(raised.value)


def opened(settings: Settings) -> None:
    open_database(settings)


@pytest.mark.parametrize("password", ["sec@ret", "sec@ret/more", "se/c@ret"])
@pytest.mark.parametrize(
    ("variable", "look"),
    [
        ("PMMDS_DATABASE_URL", opened),
        ("PMMDS_DAGSTER_DATABASE_URL", check_dagster_database),
        ("PMMDS_MLFLOW_DATABASE_URL", check_mlflow_database),
    ],
)
def test_the_error_for_an_unescaped_password_does_not_show_the_password(
    password: str, variable: str, look: Callable[[Settings], None]
) -> None:
    """An unescaped @ ends the password, so the rest of it would be shown as part of the host."""
    settings = load_settings({variable: f"postgresql://ann:{password}@127.0.0.1:1/rows"})
    with pytest.raises(SettingError, match=rf"^{variable} has more than one @\. .* write @ as %40") as reported:
        look(settings)
    assert "ret" not in str(reported.value)


@pytest.mark.parametrize("driver", ["", "+psycopg", "+psycopg2", "+asyncpg", "+unheard_of"])
def test_the_driver_in_a_postgresql_url_is_replaced_with_psycopg(driver: str) -> None:
    engine = open_database(Settings(database_url=f"postgresql{driver}://ann:x@127.0.0.1:1/rows")).engine
    assert (engine.driver, engine.url.host) == ("psycopg", "127.0.0.1")


def test_an_escaped_password_is_accepted() -> None:
    url = open_database(Settings(database_url="postgresql://ann:sec%40ret@127.0.0.1:1/rows")).engine.url
    assert (url.host, url.password) == ("127.0.0.1", "sec@ret")


def test_the_error_for_an_unreachable_server_does_not_show_the_password() -> None:
    url = f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/loop"
    with pytest.raises(DatabaseUnavailableError, match=r"cannot be reached: .*refused") as raised:
        open_database(Settings(database_url=url)).ping()
    assert "hunter2" not in str(raised.value)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("sslmod=require", r'invalid connection option "sslmod"'),
        ("sslmode=sometimes", r"invalid sslmode value"),
        ("connect_timeout=soon", r"bad value for connect_timeout"),
    ],
)
def test_an_unknown_url_option_is_reported(postgres_url: str, options: str, said: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match=rf"options of its URL \(.*{said}") as reported:
        open_database(Settings(database_url=f"{postgres_url}?{options}")).ping()
    assert "PMMDS_DATABASE_URL" in str(reported.value)
    assert "\n" not in str(reported.value)


@pytest.mark.postgres
def test_the_mlflow_database_is_checked_before_mlflow_retries(postgres_url: str) -> None:
    gone = postgres_url.rpartition("/")[0] + "/no_such"
    with pytest.raises(RegistryUnavailableError, match=r"no_such.* does not exist\. Check PMMDS_MLFLOW_TRACKING_URI"):
        ModelRegistry.of(Settings(mlflow_tracking_uri=gone)).versions("churn-classifier")


@pytest.mark.postgres
def test_the_error_for_a_missing_postgresql_database_names_the_database(postgres_url: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"no_such.* does not exist"):
        open_database(Settings(database_url=postgres_url.rpartition("/")[0] + "/no_such")).ping()


@pytest.mark.postgres
def test_postgresql_connections_use_utc_and_recover_from_a_disconnect(postgres_url: str) -> None:
    database = open_database(Settings(database_url=postgres_url))
    with database.connect() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    other = open_database(Settings(database_url=postgres_url))
    with other.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'")
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
    other.close()
    database.ping()
    with database.connect() as connection:
        assert connection.execute(sa.text("SHOW TimeZone")).scalar_one() == "Asia/Tokyo"
        assert abs(connection.execute(sa.select(database_now())).scalar_one() - datetime.now(UTC)) < timedelta(
            minutes=1
        )
    database.close()


@pytest.mark.postgres
def test_the_error_for_a_rejected_login_does_not_show_the_password(postgres_url: str) -> None:
    own = open_database(Settings(database_url=postgres_url))
    with own.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS shut_out")
        connection.exec_driver_sql("CREATE ROLE shut_out NOLOGIN")
    own.close()
    url = postgres_url.replace("postgres@", "shut_out:hunter2@")
    with pytest.raises(DatabaseUnavailableError, match="rejected the user name or password") as raised:
        open_database(Settings(database_url=url)).ping()
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unroutable_host_is_reported() -> None:
    """192.0.2.0/24 is reserved for documentation (RFC 5737), so no host has an address in it."""
    url = "postgresql://ann:hunter2@192.0.2.1/loop?connect_timeout=2"
    with pytest.raises(DatabaseUnavailableError, match=r"at 192\.0\.2\.1:5432 cannot be reached: ") as raised:
        open_database(Settings(database_url=url)).ping()
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.postgres
def test_a_server_crash_during_a_query_is_reported(postgres_url: str) -> None:
    database, other = (open_database(Settings(database_url=postgres_url)) for _ in range(2))

    def die_in_the_middle() -> None:
        with database.begin() as connection:
            own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            with other.begin() as second:
                second.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError, match="cannot be reached"):
        die_in_the_middle()
    other.close()
    database.close()
