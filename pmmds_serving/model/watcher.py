"""The model watcher: a sidecar process that polls the registry and downloads the version in production.

It keeps MLflow (84 MB, seconds to import) out of the workers. Not here: swapping inside a worker
(follower.py), starting the process (process/sidecar.py).
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
from pmmds_serving.model.cache import ActiveVersion, ModelCache, WatcherStatus
from pmmds_serving.model.challenger import ChallengerWatch
from pmmds_serving.model.deadline import exit_after
from pmmds_serving.model.fetcher import ModelFetcher
from pmmds_serving.model.verification import ArtifactVerifier
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.process.sidecar import run_beside_parent

MODULE = "pmmds_serving.model.watcher"
LOCK = "watcher.lock"
REQUEST_POLL_SECONDS = 0.05
REFUSED_RETRY_SECONDS = 15.0
NO_MODEL = "No model is in production yet; run `pmmds train` to create one."

log = get_logger("pmmds.serving.model_watcher")


class ModelWatcher:
    """Keeps `current.json` at the version that the registry's alias `production` points to."""

    def __init__(
        self, registry: ModelRegistry, cache: ModelCache, contract: Contract, verifier: ArtifactVerifier
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._cache = cache
        self._contract = contract
        self._fetcher = ModelFetcher(registry, cache, contract)
        # A version that was rejected, or whose record could not be read, is verified again only after a pause.
        self._retry_version, self._retry_at = "", 0.0
        self._retry_error: PmmdsError | None = None
        # Keep the previous watcher's status until the registry has responded.
        before = cache.read_watcher()
        self._problem, self._handled = (before.problem, before.handled) if before else ("", "")
        self._is_refused = before is not None and before.is_refused
        self._refused_version = before.refused_version if before else ""
        self._polled_version = ""
        self._fetching = ""

    def poll(self) -> None:
        """Poll the registry once. An error is written to the status file, and the active version stays unchanged."""
        request, problem, self._polled_version = self._cache.read_request(), "", ""
        with ErrorGuard() as guard:
            problem = self._follow(verify=request is not None and request.id != self._handled)
        error = guard.error
        if error is not None and not isinstance(error, PmmdsError):
            guard.log_error("model_watch_failed")
        self._is_refused = error is not None and (bool(self._fetching) or isinstance(error, ModelError))
        self._is_refused = self._is_refused and not isinstance(error, StoreError)
        self._refused_version = self._polled_version if self._is_refused else ""
        self._report(problem if error is None else self._problem_text(error))
        self._fetching = ""
        self._handled = request.id if request else ""
        self._write_status()

    def _problem_text(self, error: Exception) -> str:
        if isinstance(error, PmmdsError):
            return str(error)
        what = f"v{self._polled_version} cannot be used" if self._polled_version else "The registry could not be read"
        return f"{what}: {type(error).__name__}. The service retries; see its log for details."

    def overdue(self, seconds: float) -> None:
        """Write to the status file that the current poll exceeded its deadline; the process exits after this call."""
        what = f"v{self._fetching} could not be downloaded" if self._fetching else "The registry did not respond"
        self._report(
            f"{what} within {seconds:g} seconds (PMMDS_MODEL_FETCH_SECONDS). The service retries. "
            "Check MLflow, its artifact store and the network connection to them."
        )
        self._is_refused, self._refused_version = False, ""
        self._fetching = ""
        self._write_status()

    def _report(self, problem: str) -> None:
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
        self._polled_version = version.version
        active = self._cache.read_active()
        verified_version = active.version if active and self._verifier.is_final(active.verification) else ""
        if version.version == verified_version and not verify:
            return ""
        if version.version == self._retry_version and time.monotonic() < self._retry_at and not verify:
            self._raise_last_error()
        else:
            self._fetch(version, active)
        return ""

    def _raise_last_error(self) -> None:
        """Raise the error of the last fetch again; the status may show a different, later problem."""
        error = self._retry_error
        if error is not None:
            raise type(error)(error.message, next_step=error.next_step)

    def _fetch(self, version: RegisteredVersion, active: ActiveVersion | None) -> None:
        if self._refused_version not in {"", version.version}:
            # The problem of an earlier version does not apply to this one.
            self._problem, self._is_refused, self._refused_version = "", False, ""
        self._retry_version, self._retry_at = version.version, time.monotonic() + REFUSED_RETRY_SECONDS
        self._retry_error = None
        self._fetching = version.version
        self._write_status()
        try:
            bundle, verified = self._fetcher.fetch(version, lambda f: self._verifier.verify_files(version.version, f))
        except PmmdsError as error:
            self._retry_error = error
            raise
        result = verified.result
        self._retry_version = "" if self._verifier.is_final(result) else version.version
        moved_at = datetime.now(UTC) if active is None else active.alias_moved_at
        after = ActiveVersion(
            version.version, bundle.digest, moved_at, result, bundle.files_digest, may_unpickle=verified.may_unpickle
        )
        if after != active:
            self._cache.write_active(msgspec.structs.replace(after, alias_moved_at=datetime.now(UTC)))
            log.info("model_fetched", model_name=version.model_name, model_version=version.version, verification=result)
            self._prune(version.version, active)

    def _prune(self, version: str, before: ActiveVersion | None) -> None:
        """Remove old versions; keep the active one, the previous one and the challenger."""
        challenger = self._cache.read_challenger()
        keep = {version, before.version if before else "", challenger.version if challenger else ""}
        self._cache.prune(keep)


def watch(deployment: Deployment, parent: int) -> None:
    """Poll until the parent process is gone; a reload request triggers a poll at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C, the worker stops this process
    settings, contract = deployment.settings, deployment.contract
    cache = ModelCache(Path(settings.home_path), contract.model_name)
    cache.prepare()
    lock = try_lock_file(cache.folder / LOCK)
    if lock is None:
        return
    with lock:
        cache.remove_unfinished(INCOMING)
        registry = deployment.registry
        verifier = ArtifactVerifier(
            settings.model_verification,
            lambda version: deployment.decisions.recorded_digest(version),
            pickle=settings.model_pickle,
        )
        watcher = ModelWatcher(registry, cache, contract, verifier)
        challenger = ChallengerWatch(registry, cache, contract) if settings.shadow == "on" else None
        while os.getppid() == parent:
            with exit_after(settings.model_fetch_seconds, lambda: watcher.overdue(settings.model_fetch_seconds)):
                watcher.poll()
                if challenger is not None:
                    with ErrorGuard() as guard:
                        challenger.poll()
                    guard.log_error("challenger_watch_failed")
            _wait_for_next_poll(cache, settings.model_poll_seconds, parent)


def _wait_for_next_poll(cache: ModelCache, seconds: float, parent: int) -> None:
    seen = cache.read_request()
    end = time.monotonic() + seconds
    while time.monotonic() < end and os.getppid() == parent and cache.read_request() == seen:
        time.sleep(REQUEST_POLL_SECONDS)


def main() -> None:
    """Entry point of the process."""
    run_beside_parent(watch)


if __name__ == "__main__":
    main()
