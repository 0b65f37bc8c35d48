"""The thread that looks after the spool: it bounds what a power cut may take, and hands segments to the shipper.

Keep out: what is synced and handed over (spool.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pmmds_core.runtime.json_logs import get_logger
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.spool.spool import Spool

# Syncs of a slow disk do not follow each other without a breath.
MIN_PAUSE_SECONDS = 0.001
# A row is free to be moved to the database so long after its answer at the latest, unless the shipper is behind.
HAND_OVER_SECONDS = 0.1

log = get_logger("pmmds.serving.spool_sync")


class SpoolSyncer:
    """Begins a sync every `every_seconds`; calls `after_each` at each look, for whoever publishes the spool's state.

    An answered prediction is on the disk after at most `every_seconds` and the time that the disk takes for two syncs:
    the one under way when it was answered, and its own.
    """

    def __init__(self, spool: Spool, every_seconds: float, after_each: Callable[[], None] = lambda: None) -> None:
        self._spool = spool
        self._every = every_seconds
        self._after_each = after_each
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._is_started = False
        self._told = ""

    def start(self) -> None:
        self._is_started = True
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is published last is the spool's last state."""
        self._stop.set()
        if self._is_started:
            self._thread.join()
        self._after_each()

    @property
    def problem(self) -> str:
        """Why the disk may not have what was answered; empty while it has."""
        if self._is_started and not self._stop.is_set() and not self._thread.is_alive():
            return "The thread that syncs the spool has ended. Restart the service."
        return self._spool.problem

    def _run(self) -> None:
        pause, sync_due = min(self._every, HAND_OVER_SECONDS), time.monotonic() + self._every
        while not self._stop.wait(pause):
            began = time.monotonic()
            with ErrorGuard() as looking:
                if began >= sync_due:
                    sync_due = began + self._every
                    self._spool.sync()
                self._spool.hand_over()
            self._tell(looking)
            with ErrorGuard():
                self._after_each()
            spent = time.monotonic() - began
            pause = max(MIN_PAUSE_SECONDS, min(sync_due - began, HAND_OVER_SECONDS) - spent)

    def _tell(self, syncing: ErrorGuard) -> None:
        """Each different failure once, not ten times a second."""
        failure = f"{type(syncing.error).__name__} {syncing.place}" if syncing.error else ""
        if failure != self._told:
            with ErrorGuard():  # a log that cannot be written ends no thread
                if failure:
                    syncing.log_error("spool_sync_failed")
                else:
                    log.info("spool_sync_resumed")
        self._told = failure
