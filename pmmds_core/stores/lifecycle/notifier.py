"""Sends what is due in the outbox to the URLs of PMMDS_ALERT_URLS, through apprise.

Nothing here raises because a target is away, and nothing it says holds any part of a URL but its kind.
Keep out: what is told (alerts.py), when it is tried again (outbox.py).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from pmmds_core.stores.lifecycle.outbox import Notification, NotificationOutbox, target_of

_NOT_CONFIGURED = "PMMDS_ALERT_URLS does not name this target any more"
_MIN_SECRET = 3
# The logger is one for all threads, so one of them at a time has apprise speak.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Delivery:
    """What one round of sending did. `failures`: a sentence each, without secrets."""

    n_sent: int = 0
    n_put_off: int = 0
    n_given_up: int = 0
    failures: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        if not (self.n_sent or self.n_put_off or self.n_given_up):
            return "nothing to send"
        told = f"{self.n_sent} sent, {self.n_put_off} to be tried again, {self.n_given_up} given up"
        return f"{told}: {'; '.join(self.failures)}" if self.failures else told


def deliver(outbox: NotificationOutbox, urls: Sequence[str], now: datetime | None = None) -> Delivery:
    """Send everything that is due; a target that does not take it is tried again later, a bounded number of times.

    Args:
        outbox: whose notifications.
        urls: the targets that are configured.
        now: what is due is asked as of then; the present when None.

    Raises:
        StoreError: the database does not answer.
    """
    known = {target_of(url): (place, url) for place, url in enumerate(urls, start=1)}
    counts = {"sent": 0, "put_off": 0, "given_up": 0}
    failures = []
    for notification_id in outbox.due(now):
        claimed = outbox.claim(notification_id, now)
        if claimed is None:
            continue
        outcome, reason = _send_claimed(outbox, claimed, known, now)
        counts[outcome] += 1
        if reason:
            failures.append(reason)
    return Delivery(counts["sent"], counts["put_off"], counts["given_up"], tuple(failures))


def _send_claimed(
    outbox: NotificationOutbox, claimed: Notification, known: dict[str, tuple[int, str]], now: datetime | None
) -> tuple[str, str]:
    if claimed.target not in known:
        outbox.give_up(claimed, _NOT_CONFIGURED)
        return "given_up", _NOT_CONFIGURED
    place, url = known[claimed.target]
    reason = send(url, claimed.title, claimed.body)
    if reason is None:
        outbox.sent(claimed, now)
        return "sent", ""
    told = f"{name_of(place, url)}: {reason}"
    return ("put_off" if outbox.failed(claimed, told, now) else "given_up"), told


def name_of(place: int, url: str) -> str:
    """What a person calls a target: its place in PMMDS_ALERT_URLS and its kind, since all else may be secret."""
    return f"URL {place} of PMMDS_ALERT_URLS ({url.partition('://')[0]})"


def send(url: str, title: str, body: str) -> str | None:
    """Send one message now. None when it was taken, else why not, in words that hold nothing of the URL."""
    import apprise

    with _quiet() as said:
        service = apprise.Apprise()
        if not service.add(url):
            return "apprise does not know such a URL"
        taken = service.notify(body=body, title=title)
    return None if taken else _reason(said, url)


def unknown_urls(urls: Sequence[str]) -> list[str]:
    """Names of those that apprise cannot use."""
    import apprise

    with _quiet():
        return [name_of(i, url) for i, url in enumerate(urls, start=1) if not apprise.Apprise().add(url)]


def _reason(said: Sequence[str], url: str) -> str:
    """apprise's own words where they repeat nothing of the URL."""
    parts = [p for p in re.split(r"[^A-Za-z0-9]+", url.partition("://")[2]) if len(p) >= _MIN_SECRET]
    safe = [text for text in said if not any(part in text for part in parts)]
    return safe[-1].rstrip(".") if safe else "it did not take the message"


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """apprise and urllib3 log URLs with their secrets: their lines are caught here, and go nowhere else."""
    caught: list[str] = []
    with _one_at_a_time, ExitStack() as stack:
        for name in ("apprise", "urllib3.connectionpool"):
            stack.enter_context(_caught(logging.getLogger(name), caught))
        yield caught


@contextmanager
def _caught(logger: logging.Logger, into: list[str]) -> Iterator[None]:
    before = logger.propagate, logger.level, logger.handlers[:]
    logger.handlers, logger.propagate = [_Catcher(into)], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.propagate, level, logger.handlers = before
        logger.setLevel(level)


class _Catcher(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())
