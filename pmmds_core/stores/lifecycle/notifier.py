"""Sends due notifications of the outbox to the URLs of PMMDS_ALERT_URLS, with apprise.

An unreachable target raises no error, and messages contain no part of a URL except its scheme.
Not here: message texts (alerts.py, policies/notifications.py), retries (outbox.py).
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

_NOT_CONFIGURED = "PMMDS_ALERT_URLS no longer contains this target"
_MIN_SECRET = 3
# Loggers are shared by all threads, so only one thread captures apprise's log lines at a time.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Delivery:
    """The result of sending the due notifications once. `failures`: one sentence per failure, without secrets."""

    n_sent: int = 0
    n_put_off: int = 0
    n_given_up: int = 0
    failures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One line that summarizes the result for logs and metadata."""
        if not (self.n_sent or self.n_put_off or self.n_given_up):
            return "nothing to send"
        summary = f"{self.n_sent} sent, {self.n_put_off} to be retried, {self.n_given_up} given up"
        return f"{summary}: {'; '.join(self.failures)}" if self.failures else summary


def deliver(outbox: NotificationOutbox, urls: Sequence[str], now: datetime | None = None) -> Delivery:
    """Send all due notifications; failed ones are retried later, up to MAX_ATTEMPTS.

    Args:
        outbox: the deployment's outbox.
        urls: the configured targets.
        now: the time at which notifications are due; None: the current time.

    Raises:
        StoreError: the database is unreachable.
    """
    targets = {target_of(url): (place, url) for place, url in enumerate(urls, start=1)}
    counts = {"sent": 0, "put_off": 0, "given_up": 0}
    failures = []
    for notification_id in outbox.due(now):
        claimed = outbox.claim(notification_id, now)
        if claimed is None:
            continue
        outcome, reason = _send_claimed(outbox, claimed, targets, now)
        counts[outcome] += 1
        if reason:
            failures.append(reason)
    return Delivery(counts["sent"], counts["put_off"], counts["given_up"], tuple(failures))


def _send_claimed(
    outbox: NotificationOutbox, claimed: Notification, targets: dict[str, tuple[int, str]], now: datetime | None
) -> tuple[str, str]:
    if claimed.target not in targets:
        outbox.give_up(claimed, _NOT_CONFIGURED)
        return "given_up", _NOT_CONFIGURED
    place, url = targets[claimed.target]
    reason = send(url, claimed.title, claimed.body)
    if reason is None:
        outbox.sent(claimed, now)
        return "sent", ""
    failure = f"{name_of(place, url)}: {reason}"
    return ("put_off" if outbox.failed(claimed, failure, now) else "given_up"), failure


def name_of(place: int, url: str) -> str:
    """A target's display name: its position in PMMDS_ALERT_URLS and its scheme; the rest may be secret."""
    return f"URL {place} of PMMDS_ALERT_URLS ({url.partition('://')[0]})"


def send(url: str, title: str, body: str) -> str | None:
    """Send one message now.

    Returns None on success, otherwise the reason for the failure without any part of the URL.
    """
    import apprise

    with _quiet() as lines:
        service = apprise.Apprise()
        if not service.add(url):
            return "apprise does not support this URL"
        delivered = service.notify(body=body, title=title)
    return None if delivered else _reason(lines, url)


def unknown_urls(urls: Sequence[str]) -> list[str]:
    """Return the display names of the URLs that apprise does not support."""
    import apprise

    with _quiet():
        return [name_of(i, url) for i, url in enumerate(urls, start=1) if not apprise.Apprise().add(url)]


def _reason(lines: Sequence[str], url: str) -> str:
    """Return apprise's last log line that contains no part of the URL."""
    parts = [p for p in re.split(r"[^A-Za-z0-9]+", url.partition("://")[2]) if len(p) >= _MIN_SECRET]
    safe = [text for text in lines if not any(part in text for part in parts)]
    return safe[-1].rstrip(".") if safe else "the target rejected the message"


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Capture the log lines of apprise and urllib3, which contain URLs with secrets, instead of logging them."""
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
