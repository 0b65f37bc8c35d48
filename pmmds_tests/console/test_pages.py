"""Pages of lists are correct while rows are inserted, and fast with many reports, on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_tests.console.stored_rows import add_reports
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

pytestmark = pytest.mark.process
N_STORED = 10_000


@pytest.fixture
def console(database: Database, database_settings: Settings) -> Iterator[RunningConsole]:
    """A console without a model. `database` is migrated."""
    assert database.dialect in ("sqlite", "postgresql")
    environment = console_environment(database_settings.home, PMMDS_DATABASE_URL=database_settings.database_url)
    with running_console(environment) as running:
        yield running


def items(console: RunningConsole, path: str) -> tuple[list[Any], str | None]:
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    link = f'<{document["next"]}>; rel="next"' if document["next"] else None
    assert answer.headers.get("link") == link
    return document["items"], document["next"]


@pytest.mark.parametrize("path", ["/drift-reports", "/features/tenure/series"])
def test_pages_show_each_row_once_while_rows_are_inserted(
    console: RunningConsole, database: Database, contract: Contract, path: str
) -> None:
    add_reports(database, contract.model_name, 25)
    seen, following, first = [], f"{path}?limit=7", 25
    while True:
        rows, reference = items(console, following)
        seen += [row["report_id"] for row in rows]
        add_reports(database, contract.model_name, 3, first=first)
        first += 3
        if reference is None:
            break
        following = path + reference
    assert seen == list(range(25, 0, -1))


def test_filters_apply_to_all_pages_and_cursors_require_their_filters(
    console: RunningConsole, database: Database, contract: Contract
) -> None:
    add_reports(database, contract.model_name, 60)
    query = "/drift-reports?limit=2&verdict=drifted&model_version=1&since=2026-03-01T10:00:00%2B00:00"
    rows, reference = items(console, query)
    assert reference is not None
    rest, last = items(console, f"/drift-reports{reference}")
    assert [row["report_id"] for row in rows + rest] == [51, 41, 31, 21]
    assert last is not None
    assert [row["report_id"] for row in items(console, f"/drift-reports{last}")[0]] == [11]
    other = reference.replace("verdict=drifted", "verdict=stable")
    for refused in (f"/drift-reports{other}", f"/alerts{reference}"):
        assert console.get(refused).status_code == 422


def test_a_series_page_has_the_p_values_of_its_reports(
    console: RunningConsole, database: Database, contract: Contract
) -> None:
    add_reports(database, contract.model_name, 30)
    rows, _ = items(console, "/features/tenure/series?limit=5&until=2026-03-01T20:00:00Z")
    assert [row["report_id"] for row in rows] == [20, 19, 18, 17, 16]
    assert [row["p_value"] for row in rows] == pytest.approx([1 / 20, 1 / 19, 1 / 18, 1 / 17, 1 / 16])
    assert [row["psi"] for row in rows] == pytest.approx([0.019, 0.018, 0.017, 0.016, 0.015])


def test_listing_many_reports_reads_no_documents(
    console: RunningConsole, database: Database, contract: Contract
) -> None:
    """Most documents are unreadable. A list reads none, and a series only those on its page."""
    add_reports(database, contract.model_name, N_STORED, n_bytes=2_000)
    spoil(database, N_STORED - 200)
    rows, _ = items(console, "/drift-reports?limit=100")
    assert len(rows) == 100
    rows, _ = items(console, "/features/tenure/series?limit=100")
    assert rows[0]["p_value"] == pytest.approx(1 / N_STORED)
    _, position = items(console, "/features/tenure/series?limit=199")
    assert console.get(f"/features/tenure/series{position}").status_code >= 500, (
        "the next page contains unreadable documents"
    )
    rows, _ = items(console, "/drift-reports?until=2026-03-02T00:00:00Z")
    assert [row["report_id"] for row in rows] == list(range(24, 0, -1))


def spoil(database: Database, last: int) -> None:
    """Replace the documents of all reports up to this one with unreadable values."""
    document = "x" if database.dialect == "sqlite" else '{"features": 1}'
    with database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE drift_reports SET document = '{document}' WHERE report_id <= {last}")
