"""Events reach webhooks signed, once per id, and a target that is down delays no other target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

import pmmds
from pmmds.errors import InvalidWebhookError
from pmmds.resources import Alert
from pmmds_core.policies.notifications import MAX_ATTEMPTS
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_notifications, drift_reports
from pmmds_core.stores.lifecycle.alerts import AlertStore
from pmmds_core.stores.lifecycle.notifier import Delivery, deliver
from pmmds_core.stores.lifecycle.outbox import (
    NotificationOutbox,
    target_of,
    webhook_target_of,
)
from pmmds_core.stores.lifecycle.publisher import Publisher
from pmmds_core.stores.lifecycle.webhook_sender import Webhooks, deliver_webhooks
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import PATIENCE_SECONDS, wait_until
from pmmds_tests.harness.webhook_receiver import OTHER_SECRET, SECRET, Receiver, receiving, signature_of

CONSOLE = "https://pmmds.example/churn"
HOUR = timedelta(hours=1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(free_port()) as running:
        yield running


@pytest.fixture
def report_id(database: Database) -> int:
    now = datetime.now(UTC)
    row = {
        "model_name": "m",
        "model_version": "1",
        "window_start": now,
        "window_end": now,
        "n_reference": 1,
        "n_current": 1,
        "verdict": "drifted",
        "n_drifted_features": 3,
        "document": {},
        "html_path": "",
        "run_id": "",
        "created_at": now,
    }
    with database.begin() as connection:
        insert = sa.insert(drift_reports).values(row).returning(drift_reports.c.report_id)
        return int(connection.execute(insert).scalar_one())


@pytest.fixture
def raised(database: Database, report_id: int) -> Callable[..., AlertStore]:
    """Opens an alert that is reported to these webhooks, and returns the store."""

    def raise_for(*urls: str, targets: tuple[str, ...] = (), severity: str = "major") -> AlertStore:
        publisher = Publisher(targets, tuple(webhook_target_of(url) for url in urls), CONSOLE)
        store = AlertStore(database, publisher)
        store.raise_or_extend(
            model_name="m", model_version="1", report_id=report_id, severity=severity, message="tenure moved."
        )
        return store

    return raise_for


@pytest.fixture
def send(database: Database) -> Callable[..., Delivery]:
    """Sends what is due after `later`."""

    def sent(
        *urls: str,
        later: timedelta = timedelta(),
        secrets: tuple[str, ...] = (SECRET,),
        timeout_seconds: float = PATIENCE_SECONDS,
    ) -> Delivery:
        at = datetime.now(UTC) + later
        return deliver_webhooks(NotificationOutbox(database), Webhooks(urls, secrets, timeout_seconds), at)

    return sent


Raised = Callable[..., AlertStore]
Send = Callable[..., Delivery]


def test_every_change_of_an_alert_is_one_signed_event(raised: Raised, send: Send, receiver: Receiver) -> None:
    raised(receiver.url, severity="moderate")
    store = raised(receiver.url, severity="major")
    store.acknowledge(1, by="Ada", note="price change")
    store.resolve(1, by="Ada")
    assert send(receiver.url) == Delivery(n_sent=4)
    assert send(receiver.url, later=HOUR) == Delivery(), "nothing is sent twice"
    assert receiver.kinds == ["alert.opened", "alert.escalated", "alert.acknowledged", "alert.resolved"]
    assert len({request.event_id for request in receiver.requests}) == 4
    for request in receiver.requests:
        assert request.headers["webhook-signature"] == signature_of(request, SECRET)
        assert request.headers["content-type"] == "application/json"
        assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
        assert request.event["id"] == request.event_id
        assert request.event["version"] == 1
        assert request.event["url"] == f"{CONSOLE}/alerts/1"


def test_the_client_verifies_and_decodes_an_event(raised: Raised, send: Send, receiver: Receiver) -> None:
    store = raised(receiver.url)
    send(receiver.url)
    (request,) = receiver.requests
    event = pmmds.verify_webhook(request.body, request.headers, SECRET)
    stored = store.get(1)
    assert isinstance(event.data, Alert)
    assert {name: getattr(stored, name) for name in Alert.__struct_fields__} == {
        name: getattr(event.data, name) for name in Alert.__struct_fields__
    }
    assert (event.id, event.type, event.timestamp) == (request.event_id, "alert.opened", stored.opened_at)


@pytest.mark.parametrize("change", ["body", "id", "time", "old", "signature", "missing", "no comma", "secret"])
def test_a_changed_request_is_rejected(raised: Raised, send: Send, receiver: Receiver, change: str) -> None:
    raised(receiver.url)
    send(receiver.url)
    (request,) = receiver.requests
    headers, body, secret = dict(request.headers), request.body, SECRET
    if change == "body":
        body = body.replace(b"major", b"minor")
    elif change == "id":
        headers["webhook-id"] = "evt_0"
    elif change in ("time", "old"):
        headers["webhook-timestamp"] = "soon" if change == "time" else str(int(time.time()) - 301)
    elif change == "missing":
        del headers["webhook-signature"]
    elif change == "secret":
        secret = OTHER_SECRET
    else:
        headers["webhook-signature"] = "v1," + "A" * 44 if change == "signature" else "v1"
    with pytest.raises(InvalidWebhookError):
        pmmds.verify_webhook(body, headers, secret)


def test_two_secrets_sign_during_a_rotation(raised: Raised, send: Send, receiver: Receiver) -> None:
    raised(receiver.url)
    send(receiver.url, secrets=(OTHER_SECRET, SECRET))
    (request,) = receiver.requests
    signatures = request.headers["webhook-signature"].split(" ")
    assert signatures == [signature_of(request, OTHER_SECRET), signature_of(request, SECRET)]
    for secret in (SECRET, OTHER_SECRET, [OTHER_SECRET, SECRET]):
        assert pmmds.verify_webhook(request.body, request.headers, secret).type == "alert.opened"


def test_an_event_arrives_once_when_a_dead_receiver_is_back(raised: Raised, send: Send, database: Database) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    raised(url)
    assert send(url).failures == ("URL 1 of PMMDS_WEBHOOK_URLS (http): the target cannot be reached",)
    assert send(url) == Delivery(), "the next attempt is not due yet"
    (event,) = NotificationOutbox(database).undelivered_webhooks()
    assert (event.kind, event.state, event.attempts) == ("alert.opened", "pending", 1)
    with receiving(port) as receiver:
        assert send(url, later=HOUR) == Delivery(n_sent=1)
        assert send(url, later=2 * HOUR) == Delivery()
        assert receiver.kinds == ["alert.opened"]
    assert NotificationOutbox(database).undelivered_webhooks() == []


def test_a_retried_event_keeps_its_id_and_has_a_new_signature(raised: Raised, send: Send) -> None:
    with receiving(free_port(), status=500) as receiver:
        raised(receiver.url)
        assert send(receiver.url).failures == ("URL 1 of PMMDS_WEBHOOK_URLS (http): the target answered 500",)
        receiver.status = 200
        assert send(receiver.url, later=HOUR) == Delivery(n_sent=1)
        first, second = receiver.requests
    assert first.event_id == second.event_id
    assert first.body == second.body
    assert second.headers["webhook-signature"] == signature_of(second, SECRET)


def test_a_hanging_target_delays_no_other(raised: Raised, send: Send, receiver: Receiver) -> None:
    with receiving(free_port(), hangs=True) as hanging, ThreadPoolExecutor(1) as pool:
        urls = (hanging.url, receiver.url)
        raised(*urls).resolve(1, by="Ada")
        raised(*urls).resolve(2, by="Ada")
        sending = pool.submit(send, *urls)
        try:
            wait_until(lambda: (len(hanging.requests), len(receiver.requests)) == (1, 4))
        finally:
            hanging.answers.set()
        assert sending.result() == Delivery(n_sent=8)


def test_a_timeout_puts_off_all_events_of_a_hanging_target(raised: Raised, send: Send) -> None:
    with receiving(free_port(), hangs=True) as hanging:
        raised(hanging.url).resolve(1, by="Ada")
        delivery = send(hanging.url, timeout_seconds=0.5)
        assert len(hanging.requests) <= 1, "there is one attempt, although two events are due"
    assert (delivery.n_sent, delivery.n_put_off) == (0, 1)
    assert delivery.failures == ("URL 1 of PMMDS_WEBHOOK_URLS (http): no response within 0.5 s",)


@pytest.mark.parametrize(
    "url", ["https://a\u0308..example/", "https://xn--zzzzzz.example/", "https://127.0.0.1:1/\x7f"]
)
def test_a_url_that_cannot_be_requested_delays_no_other(
    url: str, raised: Raised, send: Send, receiver: Receiver, database: Database
) -> None:
    raised(url, receiver.url)
    result = send(url, receiver.url)
    assert (result.n_sent, result.n_put_off) == (1, 1)
    assert "example" not in result.failures[0]
    for attempt in range(1, MAX_ATTEMPTS):
        send(url, receiver.url, later=attempt * timedelta(days=1))
    (event,) = NotificationOutbox(database).undelivered_webhooks()
    assert (event.state, event.attempts) == ("given_up", MAX_ATTEMPTS)
    assert event.last_error is not None
    assert event.last_error.startswith("URL 1 of PMMDS_WEBHOOK_URLS (https): no request can be sent")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://localhost:9"),
        ("HTTPS_PROXY", "ftp://localhost:9"),
        ("SSL_CERT_FILE", "/missing.pem"),
    ],
)
def test_an_invalid_proxy_or_certificate_file_is_a_failed_attempt(
    variable: str, value: str, raised: Raised, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    raised("https://hooks.example/pmmds")
    result = send("https://hooks.example/pmmds")
    assert result.n_put_off == 1
    assert "check the URL, the proxy variables and SSL_CERT_FILE" in result.failures[0]


def test_a_redirect_is_not_followed(raised: Raised, send: Send, receiver: Receiver) -> None:
    with receiving(free_port(), status=307, location=receiver.url) as redirecting:
        raised(redirecting.url)
        (failure,) = send(redirecting.url).failures
    assert failure.endswith("the target answered 307, and redirects are not followed")
    assert receiver.requests == []


def test_a_target_that_is_gone_gets_no_further_attempt(raised: Raised, send: Send) -> None:
    with receiving(free_port(), status=410) as receiver:
        raised(receiver.url)
        assert send(receiver.url).n_given_up == 1
        assert send(receiver.url, later=24 * HOUR) == Delivery()
        assert len(receiver.requests) == 1


def test_an_event_is_given_up_after_the_last_attempt(raised: Raised, send: Send, database: Database) -> None:
    with receiving(free_port(), status=503) as receiver:
        raised(receiver.url)
        deliveries = [send(receiver.url, later=n * HOUR) for n in range(MAX_ATTEMPTS + 1)]
        assert len(receiver.requests) == MAX_ATTEMPTS
    assert [d.n_put_off for d in deliveries] == [1] * (MAX_ATTEMPTS - 1) + [0, 0]
    assert deliveries[MAX_ATTEMPTS - 1].n_given_up == 1
    (event,) = NotificationOutbox(database).undelivered_webhooks()
    assert (event.kind, event.state, event.attempts) == ("alert.opened", "given_up", MAX_ATTEMPTS)
    assert str(receiver.port) not in (event.last_error or "")


def test_alert_urls_and_webhooks_send_only_their_own(raised: Raised, send: Send, database: Database) -> None:
    url = f"json://127.0.0.1:{free_port()}"
    with receiving(free_port()) as receiver, receiving(int(url.rpartition(":")[2])) as notified:
        raised(receiver.url, targets=(target_of(url),))
        assert send(receiver.url) == Delivery(n_sent=1)
        assert deliver(NotificationOutbox(database), [url]) == Delivery(n_sent=1)
        assert receiver.kinds == ["alert.opened"]
        assert notified.requests[0].event["message"].endswith(f" {CONSOLE}/alerts/1")


def test_an_event_for_a_removed_target_is_given_up(raised: Raised, send: Send, receiver: Receiver) -> None:
    raised("https://gone.example/hook", receiver.url)
    delivery = send(receiver.url)
    assert (delivery.n_sent, delivery.n_given_up) == (1, 1)


def open_and_fail(store: AlertStore, database: Database, report_id: int) -> None:
    values = {"model_name": "m", "model_version": "1", "severity": "major", "message": "tenure moved."}
    with database.begin() as connection:
        store.raise_or_extend(report_id=report_id, connection=connection, **values)
        raise RuntimeError("killed before the end of the transaction")


def test_an_uncommitted_change_has_no_event(database: Database, report_id: int) -> None:
    store = AlertStore(database, Publisher((), (webhook_target_of("https://hooks.example"),)))
    with pytest.raises(RuntimeError, match="killed"):
        open_and_fail(store, database, report_id)
    with database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(alert_notifications)).scalar_one() == 0
