"""The model cache: verified bundles on this machine and `current.json`, the version to serve.

The watcher writes, workers read; both can restart at any time. Not here: the registry (watcher.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import msgspec

from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.models.bundle import Bundle, open_bundle, read_bundle
from pmmds_core.runtime.processes import is_alive
from pmmds_serving.process.status_file import Status, StatusFile

ACTIVE, WATCHER, REQUEST, WORKERS = "current.json", "watcher.json", "reload-request.json", "workers"
CHALLENGER = "challenger.json"

# Number of newest versions that stay in the cache, so that a rollback needs no download.
KEPT_VERSIONS = 5


class ActiveVersion(msgspec.Struct, frozen=True):
    """The version to serve.

    `alias_moved_at`: when the watcher detected the alias move. `verification`: a result of verification.py.
    `files_digest`, `may_unpickle`: digest of the verified files, and whether a pickle among them may be loaded.
    """

    version: str
    digest: str
    alias_moved_at: datetime
    verification: str = ""
    files_digest: str = ""
    may_unpickle: bool = False


class ChallengerVersion(msgspec.Struct, frozen=True):
    """The version that may score as a shadow; empty if there is none. `problem`: the reason why it cannot score."""

    version: str
    problem: str = ""


class WatcherStatus(msgspec.Struct, frozen=True):
    """Result of the watcher's last poll.

    `handled`: `id` of the last reload request it handled. `is_refused`: the version in production cannot be served, so
    the previous version is still served. `refused_version`: that version, if known. `fetching`: the version being
    downloaded.
    """

    pid: int
    checked_at: datetime
    problem: str = ""
    handled: str = ""
    is_refused: bool = False
    refused_version: str = ""
    fetching: str = ""


class ReloadRequest(msgspec.Struct, frozen=True):
    """Request to poll the registry now. A later request replaces an earlier one; handling it completes both.

    `id`: unique; compared for equality only, because the clock may be set back.
    """

    id: str


class WorkerStatus(msgspec.Struct, frozen=True):
    """The version that one worker serves; written whenever it changes."""

    pid: int
    version: str
    loaded_at: datetime | None
    problem: str = ""


class ModelCache:
    """Reads and writes the cached files of one model in PMMDS_HOME."""

    def __init__(self, home: Path, model_name: str, *, pickle: str = "refused") -> None:
        """`pickle`: PMMDS_MODEL_PICKLE. A pickle is loaded only if this and `may_unpickle` allow it."""
        self._pickle = pickle
        self.folder = home / "model_cache" / model_name
        self.workers = self.folder / WORKERS

    def prepare(self) -> None:
        self.workers.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self, prefix: str) -> None:
        """Remove partial downloads (`prefix…`) of a killed watcher. Call only while holding the watcher lock."""
        for folder in self.folder.glob(f"{prefix}*"):
            shutil.rmtree(folder)

    def prune(self, keep: Collection[str]) -> None:
        """Remove all versions except `keep` and the newest ones. Call only while holding the watcher lock."""
        versions = sorted(
            (f for f in self.folder.iterdir() if f.is_dir() and f.name.isdigit()), key=lambda f: int(f.name)
        )
        for folder in versions[:-KEPT_VERSIONS]:
            if folder.name not in keep:
                shutil.rmtree(folder)

    def bundle_folder(self, version: str) -> Path:
        return self.folder / version

    def load(self, active: ActiveVersion) -> Bundle:
        """Load the active bundle. Raises ModelError if its files have changed since the verification."""
        files = read_bundle(self.bundle_folder(active.version))
        if files.digest != active.digest or files.files_digest != (active.files_digest or files.files_digest):
            raise ArtifactCorruptError(f"The files of v{active.version} on disk differ from those that were verified.")
        may_unpickle = self._pickle == "allowed" and active.may_unpickle and bool(active.files_digest)
        return open_bundle(files, may_unpickle=may_unpickle)

    def active_identity(self) -> tuple[int, int] | None:
        """Return a value that changes whenever `current.json` is replaced; costs one stat call."""
        try:
            stat = (self.folder / ACTIVE).stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def read_active(self) -> ActiveVersion | None:
        return self._read(ACTIVE, ActiveVersion)

    def write_active(self, active: ActiveVersion) -> None:
        self._write(ACTIVE, active)

    def read_challenger(self) -> ChallengerVersion | None:
        return self._read(CHALLENGER, ChallengerVersion)

    def write_challenger(self, challenger: ChallengerVersion) -> None:
        self._write(CHALLENGER, challenger)

    def read_watcher(self) -> WatcherStatus | None:
        return self._read(WATCHER, WatcherStatus)

    def write_watcher(self, status: WatcherStatus) -> None:
        self._write(WATCHER, status)

    def read_request(self) -> ReloadRequest | None:
        return self._read(REQUEST, ReloadRequest)

    def write_request(self, request: ReloadRequest) -> None:
        self._write(REQUEST, request)

    def write_worker(self, status: WorkerStatus) -> None:
        self._write(f"{WORKERS}/{status.pid}.json", status)

    def remove_worker(self, pid: int) -> None:
        (self.workers / f"{pid}.json").unlink(missing_ok=True)

    def live_workers(self) -> list[WorkerStatus]:
        """Return the status of the running workers, and remove the status files of dead ones."""
        live = []
        for path in self.workers.glob("*.json"):
            status = self._read(f"{WORKERS}/{path.name}", WorkerStatus)
            if status is not None and is_alive(status.pid):
                live.append(status)
            else:
                path.unlink(missing_ok=True)
        return sorted(live, key=lambda s: s.pid)

    def _read(self, name: str, kind: type[Status]) -> Status | None:
        return StatusFile(self.folder / name, kind).read()

    def _write(self, name: str, value: msgspec.Struct) -> None:
        StatusFile(self.folder / name, type(value)).write(value)
