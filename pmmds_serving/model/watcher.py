"""The model watcher: one small process that asks the registry what is in production, and fetches it aside.

It keeps MLflow (84 MB, seconds to import) out of the workers. Keep out: swapping inside a worker (follower.py),
who starts it (process/sidecar.py).
"""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.errors import ModelError, PmmdsError, StoreError
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.artifacts.model_registry import INCOMING, PRODUCTION, ModelRegistry, RegisteredVersion
from pmmds_serving.model.cache import ModelCache, Stamp, WatcherStatus
from pmmds_serving.model.challenger import ChallengerWatch
from pmmds_serving.model.deadline import ended_after
from pmmds_serving.model.fetcher import ModelFetcher
from pmmds_serving.model.verification import ModelTrust
from pmmds_serving.process.error_guard import Surviving
from pmmds_serving.process.sidecar import run_beside_parent

MODULE = "pmmds_serving.model.watcher"
LOCK = "watcher.lock"
REQUEST_POLL_SECONDS = 0.05
REFUSED_RETRY_SECONDS = 15.0
NO_MODEL = "No model is in production yet; `pmmds train` makes the first one."

log = get_logger("pmmds.serving.model_watcher")


class ModelWatcher:
    """Brings the stamp to where the registry's alias is."""

    def __init__(self, registry: ModelRegistry, cache: ModelCache, contract: Contract, trust: ModelTrust) -> None:
        self._registry = registry
        self._trust = trust
        self._cache = cache
        self._contract = contract
        self._fetcher = ModelFetcher(registry, cache, contract)
        # A version that is refused, or of which the record could not be read, is not looked at every time.
        self._unsettled, self._retry_at = "", 0.0
        self._why_unsettled: PmmdsError | None = None
        # What the watcher before this one left said stands until the registry has answered.
        before = cache.read_watcher()
        self._problem, self._handled = (before.problem, before.handled) if before else ("", "")
        self._is_refused = before is not None and before.is_refused
        self._refused_version = before.refused_version if before else ""
        self._looked_at = ""
        self._fetching = ""

    def look(self) -> None:
        """Ask the registry once; what went wrong is in the status, and the stamp stays as it was."""
        request, problem, self._looked_at = self._cache.read_request(), "", ""
        with Surviving() as looking:
            problem = self._follow(verify=request is not None and request.id != self._handled)
        error = looking.error
        if error is not None and not isinstance(error, PmmdsError):
            looking.tell("model_watch_failed")
        self._is_refused = error is not None and (bool(self._fetching) or isinstance(error, ModelError))
        self._is_refused = self._is_refused and not isinstance(error, StoreError)
        self._refused_version = self._looked_at if self._is_refused else ""
        self._say(problem if error is None else self._words(error))
        self._fetching = ""
        self._handled = request.id if request else ""
        self._write_status()

    def _words(self, error: Exception) -> str:
        if isinstance(error, PmmdsError):
            return str(error)
        what = f"v{self._looked_at} cannot be used" if self._looked_at else "The registry could not be asked"
        return f"{what}: {type(error).__name__}. It is tried again; the service's log says where it failed."

    def overdue(self, seconds: float) -> None:
        """Tell that the look under way is given up."""
        what = f"v{self._fetching} could not be fetched" if self._fetching else "The registry did not answer"
        self._say(
            f"{what} within {seconds:g} seconds (PMMDS_MODEL_FETCH_SECONDS); it is tried again. "
            "See whether MLflow and its artifact store hang, or the line to them is slow."
        )
        self._is_refused, self._refused_version = False, ""
        self._fetching = ""
        self._write_status()

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("model_watch_problem", problem=problem) if problem else log.info("model_watch_recovered")
            self._problem = problem

    def _write_status(self) -> None:
        now = datetime.now(UTC)
        self._cache.write_watcher(
            WatcherStatus(
                os.getpid(), now, self._problem, self._handled, self._is_refused, self._refused_version, self._fetching
            )
        )

    def _follow(self, *, verify: bool) -> str:
        version = self._registry.version_of(self._contract.model_name, PRODUCTION)
        if version is None:
            return NO_MODEL
        self._looked_at = version.version
        stamp = self._cache.read_stamp()
        if (
            stamp is not None
            and stamp.version == version.version
            and self._trust.is_settled(stamp.trust)
            and not verify
        ):
            return ""
        if version.version == self._unsettled and time.monotonic() < self._retry_at and not verify:
            return self._still_unsettled()
        self._fetch(version, stamp)
        return ""

    def _still_unsettled(self) -> str:
        """What was wrong when it was last looked at, which may be another thing than what was wrong in between."""
        why = self._why_unsettled
        if why is None:
            return ""
        raise type(why)(why.message, next_step=why.next_step)

    def _fetch(self, version: RegisteredVersion, stamp: Stamp | None) -> None:
        if self._refused_version not in {"", version.version}:
            # The reason why another version was refused does not apply to this one.
            self._problem, self._is_refused, self._refused_version = "", False, ""
        self._unsettled, self._retry_at = version.version, time.monotonic() + REFUSED_RETRY_SECONDS
        self._why_unsettled = None
        self._fetching = version.version
        self._write_status()
        try:
            bundle, judged = self._fetcher.fetch(version, lambda f: self._trust.judge_files(version.version, f))
        except PmmdsError as error:
            self._why_unsettled = error
            raise
        trust = judged.trust
        self._unsettled = "" if self._trust.is_settled(trust) else version.version
        moved_at = datetime.now(UTC) if stamp is None else stamp.alias_moved_at
        found = Stamp(
            version.version, bundle.digest, moved_at, trust, bundle.files_digest, may_unpickle=judged.may_unpickle
        )
        if found != stamp:
            self._cache.write_stamp(msgspec.structs.replace(found, alias_moved_at=datetime.now(UTC)))
            log.info("model_fetched", model_name=version.model_name, model_version=version.version, trust=trust)
            self._prune(version.version, stamp)

    def _prune(self, version: str, before: Stamp | None) -> None:
        """Old versions go; the one that serves, the one before it and the challenger stay."""
        challenger = self._cache.read_challenger()
        kept = {version, before.version if before else "", challenger.version if challenger else ""}
        self._cache.prune(kept)


def watch(deployment: Deployment, parent: int) -> None:
    """Look again and again until the parent process is gone; a reload request is answered at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the worker says when it is over
    settings, contract = deployment.settings, deployment.contract
    cache = ModelCache(Path(settings.home_path), contract.model_name)
    cache.prepare()
    lock = try_lock_file(cache.folder / LOCK)
    if lock is None:
        return
    with lock:
        cache.remove_unfinished(INCOMING)
        registry = deployment.registry
        trust = ModelTrust(
            settings.model_trust,
            lambda version: deployment.decisions.recorded_digest(version),
            pickle=settings.model_pickle,
        )
        watcher = ModelWatcher(registry, cache, contract, trust)
        challenger = ChallengerWatch(registry, cache, contract) if settings.shadow == "on" else None
        while os.getppid() == parent:
            with ended_after(settings.model_fetch_seconds, lambda: watcher.overdue(settings.model_fetch_seconds)):
                watcher.look()
                if challenger is not None:
                    with Surviving() as looking:
                        challenger.look()
                    looking.tell("challenger_watch_failed")
            _wait_for_turn(cache, settings.model_poll_seconds, parent)


def _wait_for_turn(cache: ModelCache, seconds: float, parent: int) -> None:
    seen = cache.read_request()
    end = time.monotonic() + seconds
    while time.monotonic() < end and os.getppid() == parent and cache.read_request() == seen:
        time.sleep(REQUEST_POLL_SECONDS)


def main() -> None:
    """Entry point of the process."""
    run_beside_parent(watch)


if __name__ == "__main__":
    main()
