"""Each alert change is stored and sent once to each target, even if a target is temporarily unreachable."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from pmmds_core.config.listing import describe
from pmmds_core.config.settings import Settings
from pmmds_core.policies.notifications import MAX_ATTEMPTS
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_notifications, drift_reports
from pmmds_core.stores.lifecycle.alerts import Alert, AlertStore
from pmmds_core.stores.lifecycle.notifier import Delivery, deliver, unknown_urls
from pmmds_core.stores.lifecycle.outbox import (
    CLAIM,
    GIVEN_UP,
    PENDING,
    SENT,
    NotificationOutbox,
    split_urls,
    target_of,
)
from pmmds_core.stores.lifecycle.publisher import Publisher
from pmmds_tests.harness.http_listener import Listener, listening
from pmmds_tests.harness.ports import free_port

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "s3cr3tt0ken"


@pytest.fixture
def report(database: Database) -> Callable[[], int]:
    def saved() -> int:
        row = {
            "model_name": "m",
            "model_version": "1",
            "window_start": NOW,
            "window_end": NOW,
            "n_reference": 1,
            "n_current": 1,
            "verdict": "drifted",
            "n_drifted_features": 3,
            "document": {},
            "html_path": "",
            "run_id": "",
            "created_at": NOW,
        }
        with database.begin() as connection:
            return int(
                connection.execute(
                    sa.insert(drift_reports).values(row).returning(drift_reports.c.report_id)
                ).scalar_one()
            )

    return saved


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    return f"json://user:{KEY}@127.0.0.1:{port}/{KEY}"


@pytest.fixture
def store(database: Database, url: str) -> AlertStore:
    return AlertStore(database, Publisher((target_of(url),)))


@pytest.fixture
def server(port: int) -> Iterator[Listener]:
    with listening(port) as listener:
        yield listener


def raised(store: AlertStore, report_id: int, severity: str = "major") -> Alert:
    return store.raise_or_extend(
        model_name="m",
        model_version="1",
        report_id=report_id,
        severity=severity,
        message="contract: Month-to-month 55% → 71% of rows.",
    )


def states(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(sa.select(alert_notifications.c.state)).scalars())


def test_every_alert_change_is_stored_with_its_author_and_time_and_reason(
    store: AlertStore, report: Callable[[], int]
) -> None:
    alert = raised(store, report(), "moderate")
    raised(store, report(), "major")
    store.acknowledge(alert.alert_id, by="ann", note="a campaign")
    store.acknowledge(alert.alert_id, by="bob")
    store.resolve(alert.alert_id, by="bob", note="the campaign is over")
    changes = store.changes(alert.alert_id)
    assert [(c.kind, c.severity, c.changed_by, c.note) for c in changes] == [
        ("opened", "moderate", "monitoring", None),
        ("escalated", "major", "monitoring", None),
        ("acknowledged", "major", "ann", "a campaign"),
        ("acknowledged", "major", "bob", None),
        ("resolved", "major", "bob", "the campaign is over"),
    ]
    assert all(a.changed_at <= b.changed_at for a, b in pairwise(changes))


def test_an_oscillating_severity_sends_one_escalation(
    store: AlertStore, database: Database, report: Callable[[], int], server: Listener, url: str
) -> None:
    for severity in ("significant", "major", "significant", "major", "moderate", "major"):
        alert = raised(store, report(), severity)
    assert [c.kind for c in store.changes(alert.alert_id)] == ["opened", "escalated"]
    assert alert.n_reports == 6
    assert deliver(NotificationOutbox(database), [url]).n_sent == 2
    assert [m["title"] for m in server.messages] == [
        "Drift detected: m v1 (significant)",
        "Drift escalated: m v1 (major)",
    ]


def test_opening_and_resolving_send_notifications_but_acknowledging_does_not(
    store: AlertStore, database: Database, report: Callable[[], int], server: Listener, url: str
) -> None:
    alert = raised(store, report())
    store.acknowledge(alert.alert_id, by="ann")
    store.resolve(alert.alert_id, by="ann", note="fixed")
    assert deliver(NotificationOutbox(database), [url]) == Delivery(n_sent=2)
    opened, resolved = server.messages
    assert "Month-to-month 55% → 71% of rows" in opened["message"]
    assert resolved["message"] == f"Alert {alert.alert_id} was resolved by ann. fixed"
    assert deliver(NotificationOutbox(database), [url]) == Delivery(), "no notification is sent twice"


def test_an_unreachable_target_receives_the_notification_later(
    store: AlertStore, database: Database, report: Callable[[], int], port: int, url: str
) -> None:
    outbox = NotificationOutbox(database)
    raised(store, report())
    at = datetime.now(UTC)
    down = deliver(outbox, [url], at)
    assert (down.n_sent, down.n_put_off) == (0, 1)
    assert deliver(outbox, [url], at) == Delivery(), "no retry before the pause ends"
    with listening(port, status=500) as broken:
        assert deliver(outbox, [url], at + timedelta(seconds=31)).n_put_off == 1
        assert len(broken.messages) == 1
    with listening(port) as up:
        assert deliver(outbox, [url], at + timedelta(minutes=5)) == Delivery(n_sent=1)
        assert len(up.messages) == 1
    assert states(database) == [SENT]


def test_the_number_of_attempts_is_limited_and_the_pauses_double(
    store: AlertStore, database: Database, report: Callable[[], int], url: str
) -> None:
    outbox = NotificationOutbox(database)
    alert = raised(store, report())
    at = datetime.now(UTC)
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        assert deliver(outbox, [url], at).n_put_off == 1
        (state,) = outbox.of_changes([c.change_id for c in store.changes(alert.alert_id)])
        pauses.append((state.due_at - at).total_seconds())
        at = state.due_at
    assert pauses == [30 * 2**i for i in range(MAX_ATTEMPTS - 1)]
    last = deliver(outbox, [url], at)
    assert (last.n_given_up, last.n_put_off) == (1, 0)
    assert deliver(outbox, [url], at + timedelta(days=30)) == Delivery()
    assert states(database) == [GIVEN_UP]


def test_secrets_in_target_urls_are_not_shown_or_stored_or_logged(
    store: AlertStore,
    database: Database,
    report: Callable[[], int],
    url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    unusable = f"nosuchservice://{KEY}/{KEY}"
    both = AlertStore(database, Publisher((target_of(url), target_of(unusable))))
    raised(both, report())
    with caplog.at_level(logging.DEBUG):
        delivery = deliver(NotificationOutbox(database), [url, unusable])
        assert unknown_urls([url, unusable]) == ["URL 2 of PMMDS_ALERT_URLS (nosuchservice)"]
    assert delivery.n_put_off == 2
    assert delivery.failures[1] == "URL 2 of PMMDS_ALERT_URLS (nosuchservice): apprise does not support this URL"
    with database.connect() as connection:
        kept = str(connection.execute(sa.select(alert_notifications)).all())
    shown = str(describe({"PMMDS_ALERT_URLS": url}))
    printed = "".join(capfd.readouterr())
    logged = "".join(record.getMessage() for record in caplog.records)
    for text in (delivery.text, kept, shown, printed, logged):
        assert KEY not in text


def test_notifications_to_a_removed_target_are_discarded(
    database: Database, report: Callable[[], int], server: Listener, url: str
) -> None:
    raised(AlertStore(database, Publisher((target_of("json://gone"), target_of(url)))), report())
    delivery = deliver(NotificationOutbox(database), [url])
    assert (delivery.n_sent, delivery.n_given_up) == (1, 1)
    assert "no longer contains this target" in delivery.text


def test_concurrent_senders_send_each_notification_once(
    store: AlertStore,
    report: Callable[[], int],
    open_again: Callable[[], Database],
    server: Listener,
    url: str,
) -> None:
    for _ in range(3):
        store.resolve(raised(store, report()).alert_id, by="ann")
    databases = [open_again() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        delivery = list(pool.map(lambda d: deliver(NotificationOutbox(d), [url]), databases))
    assert sum(t.n_sent for t in delivery) == 6
    assert len(server.messages) == 6


_SENDER = (
    "import sys\n"
    "from pmmds_core.deployment import Deployment\n"
    "from pmmds_core.stores.lifecycle.notifier import deliver\n"
    "d = Deployment.from_environment(); d.database\n"
    "print('ready', flush=True); sys.stdin.readline()\n"
    "print(deliver(d.outbox, d.alert_urls).n_sent)\n"
)


@pytest.mark.process
def test_two_processes_send_each_notification_once(
    store: AlertStore, report: Callable[[], int], database_settings: Settings, server: Listener, url: str
) -> None:
    for _ in range(3):
        store.resolve(raised(store, report()).alert_id, by="ann")
    environment = {**database_settings.to_environment(), "PMMDS_ALERT_URLS": url}
    with ExitStack() as stack:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        senders = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", _SENDER], env=environment, **pipes))
            for _ in range(2)
        ]
        for sender in senders:
            assert sender.stdout is not None
            assert sender.stdout.readline() == "ready\n"
        sent = [int(sender.communicate("go\n")[0]) for sender in senders]
    assert sum(sent) == 6
    assert len(server.messages) == 6


def test_another_sender_sends_the_notification_that_a_crashed_sender_claimed(
    store: AlertStore, database: Database, report: Callable[[], int], server: Listener, url: str
) -> None:
    outbox = NotificationOutbox(database)
    raised(store, report())
    at = datetime.now(UTC)
    (due,) = outbox.due(at)
    claimed = outbox.claim(due, at)
    assert claimed is not None
    assert deliver(outbox, [url], at + CLAIM / 2) == Delivery()
    assert deliver(outbox, [url], at + CLAIM + timedelta(seconds=1)).n_sent == 1
    outbox.failed(claimed, "woke up late")
    assert states(database) == [SENT], "a sender whose claim has expired changes nothing"


def test_a_rolled_back_alert_change_sends_no_notification(
    store: AlertStore, database: Database, report: Callable[[], int]
) -> None:
    report_id = report()

    def interrupted() -> None:
        with database.begin() as connection:
            store.raise_or_extend(
                model_name="m",
                model_version="1",
                report_id=report_id,
                severity="major",
                message="moved",
                connection=connection,
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert states(database) == []


def test_no_notification_is_stored_if_no_target_urls_are_configured(
    database: Database, report: Callable[[], int]
) -> None:
    raised(AlertStore(database), report())
    assert states(database) == []
    assert deliver(NotificationOutbox(database), []).text == "nothing to send"


def test_a_concurrent_drifted_report_keeps_the_alert_open(store: AlertStore, report: Callable[[], int]) -> None:
    seen = raised(store, report())
    raised(store, report())
    assert not store.resolve_unless_seen(seen, "3 reports in a row were stable.")
    (alert,) = store.open_alerts()
    assert store.resolve_unless_seen(alert, "3 reports in a row were stable.")
    assert store.changes(alert.alert_id)[-1].changed_by == "monitoring"


@pytest.mark.parametrize(
    ("setting", "urls"),
    [
        ("", ()),
        (" , ", ()),
        ("json://a", ("json://a",)),
        (
            "json://a, slack://b  mailto://c?to=x@y.z,w@y.z\njson://d,",
            ("json://a", "slack://b", "mailto://c?to=x@y.z,w@y.z", "json://d"),
        ),
    ],
)
def test_target_urls_are_split_at_commas_and_blanks_before_a_scheme(setting: str, urls: tuple[str, ...]) -> None:
    assert split_urls(setting) == urls


def test_a_notification_remains_pending_until_it_is_sent(
    store: AlertStore, database: Database, report: Callable[[], int]
) -> None:
    raised(store, report())
    assert states(database) == [PENDING]
    assert len(NotificationOutbox(database).due(datetime.now(UTC) + timedelta(days=365))) == 1
