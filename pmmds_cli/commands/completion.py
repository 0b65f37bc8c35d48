"""The values that a shell completes: IDs, versions, settings and names, newest first, each with a help text.

A completion never fails: without a deployment there are no values. Not here: the scripts of the shells, which typer's
--install-completion writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmmds_core.config.settings import Settings
    from pmmds_core.stores.database.engine import Database
    from pmmds_core.stores.lifecycle.decisions import DecisionStore
    from pmmds_core.stores.lifecycle.history import Listing

Pairs = Iterable[tuple[str, str]]
MAX_VALUES = 50
_MAX_HELP = 60


def _completer(read: Callable[[], Pairs]) -> Callable[[str], list[tuple[str, str]]]:
    """A function for typer's `autocompletion`: the values of `read` that begin with the typed text."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        with suppress(Exception):
            return [(value, _plain(note)) for value, note in read() if value.startswith(incomplete)]
        return []

    return complete


def _plain(note: str) -> str:
    """One short line without the square brackets that typer would read as formatting."""
    text = " ".join(note.replace("[", "(").replace("]", ")").split())
    return text if len(text) <= _MAX_HELP else f"{text[: _MAX_HELP - 1]}…"


@_completer
def alert_ids() -> Pairs:
    return _alerts(with_resolved=True)


@_completer
def live_alert_ids() -> Pairs:
    return _alerts(with_resolved=False)


@_completer
def decision_ids() -> Pairs:
    return ((d.decision_id, d.promotion_reason) for d in _decisions().recent(MAX_VALUES))


@_completer
def pending_decision_ids() -> Pairs:
    from pmmds_core.policies.decision import PENDING_APPROVAL

    return ((d.decision_id, d.promotion_reason) for d in _decisions().of_states(PENDING_APPROVAL))


@_completer
def versions() -> Pairs:
    from pmmds_core.stores.lifecycle.history import VERSIONS

    return _rows(VERSIONS, "version", "registered_at")


@_completer
def report_ids() -> Pairs:
    from pmmds_core.stores.lifecycle.history import REPORTS

    return _rows(REPORTS, "report_id", "verdict")


@_completer
def setting_keys() -> Pairs:
    from pmmds_core.config.listing import describe

    rows = describe()
    return [*((row.path, row.description) for row in rows), *((row.variable, row.description) for row in rows)]


@_completer
def process_names() -> Pairs:
    from pmmds_cli.processes.definitions import single_processes

    return ((p.name, p.page) for p in single_processes(_settings()).values())


@_completer
def log_names() -> Pairs:
    return ((path.stem, str(path)) for path in sorted((_settings().home_path / "logs").glob("*.log")))


@_completer
def scenario_names() -> Pairs:
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.synthetic.scenarios import scenarios

    return ((name, s.description) for name, s in scenarios(load_contract(_settings().contract)).items())


def _alerts(*, with_resolved: bool) -> Pairs:
    from pmmds_core.stores.lifecycle.alerts import AlertStore

    database, _ = _opened()
    alerts = AlertStore(database).recent(MAX_VALUES, with_resolved=with_resolved)
    return ((str(a.alert_id), f"{a.status}: {a.message}") for a in alerts)


def _decisions() -> DecisionStore:
    from pmmds_core.stores.lifecycle.decisions import DecisionStore

    return DecisionStore(*_opened())


def _rows(listing: Listing, value: str, note: str) -> Pairs:
    from pmmds_core.stores.lifecycle.history import History, Selection

    rows = History(*_opened()).page(listing, Selection(limit=MAX_VALUES)).rows
    return ((str(row[value]), str(row[note])) for row in rows)


def _settings() -> Settings:
    from pmmds_core.config.settings import load_settings

    return load_settings()


def _opened() -> tuple[Database, str]:
    """The database and the model name. Creates and migrates nothing, unlike a command.

    Raises:
        StoreError: the home has no database.
    """
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.errors import StoreError
    from pmmds_core.stores.database.engine import open_database

    settings = _settings()
    if not (settings.database_url or any(settings.home_path.glob("*.db"))):
        raise StoreError(f"{settings.home_path} has no database.")
    return open_database(settings), load_contract(settings.contract).model_name
