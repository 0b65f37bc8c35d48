"""The model cache: verified bundles on this machine and a stamp that says which one to serve.

The watcher writes, workers read; both can be restarted at any time. Keep out: the registry (watcher.py).
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

STAMP, WATCHER, REQUEST, WORKERS = "current.json", "watcher.json", "reload-request.json", "workers"
CHALLENGER = "challenger.json"

# As many versions are kept for a quick return to one of them.
KEPT_VERSIONS = 5


class Stamp(msgspec.Struct, frozen=True):
    """The version to serve. `alias_moved_at`: when the registry's pointer was seen to have moved.

    `trust`: what is known of its files, in the words of verification.py. `files_digest`, `may_unpickle`: the files
    that were judged, and whether a pickle among them may be loaded.
    """

    version: str
    digest: str
    alias_moved_at: datetime
    trust: str = ""
    files_digest: str = ""
    may_unpickle: bool = False


class ChallengerStamp(msgspec.Struct, frozen=True):
    """The version that may score beside production; empty when there is none other. `problem`: why it may not."""

    version: str
    problem: str = ""


class WatcherStatus(msgspec.Struct, frozen=True):
    """What the watcher last saw. `handled`: `id` of the last reload request that it has answered.

    `is_refused`: what is in production cannot be served, so the version before it goes on.
    `refused_version`: which one, where one is. `fetching`: the version whose files are on their way.
    """

    pid: int
    checked_at: datetime
    problem: str = ""
    handled: str = ""
    is_refused: bool = False
    refused_version: str = ""
    fetching: str = ""


class ReloadRequest(msgspec.Struct, frozen=True):
    """Somebody asks to look at the registry now. A later one takes the place of an earlier one, and answers it too.

    `id`: unique. Two requests are told apart by it and never ordered: a clock may be set back.
    """

    id: str


class WorkerStatus(msgspec.Struct, frozen=True):
    """What one worker serves; written at every change, and touched while it lives."""

    pid: int
    version: str
    loaded_at: datetime | None
    problem: str = ""


class ModelCache:
    """The files of one model in PMMDS_HOME."""

    def __init__(self, home: Path, model_name: str, *, pickle: str = "refused") -> None:
        """`pickle`: PMMDS_MODEL_PICKLE of the process that loads; what a stamp allows is loaded only with it."""
        self._pickle = pickle
        self.folder = home / "model_cache" / model_name
        self.workers = self.folder / WORKERS

    def prepare(self) -> None:
        self.workers.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self, prefix: str) -> None:
        """Remove the folders `prefix…` of downloads that a killed watcher left; only the one that leads may ask."""
        for folder in self.folder.glob(f"{prefix}*"):
            shutil.rmtree(folder)

    def prune(self, kept: Collection[str]) -> None:
        """Remove the files of versions but for `kept` and the newest ones; only the watcher that leads may ask."""
        versions = sorted(
            (f for f in self.folder.iterdir() if f.is_dir() and f.name.isdigit()), key=lambda f: int(f.name)
        )
        for folder in versions[:-KEPT_VERSIONS]:
            if folder.name not in kept:
                shutil.rmtree(folder)

    def bundle_folder(self, version: str) -> Path:
        return self.folder / version

    def load(self, stamp: Stamp) -> Bundle:
        """The stamped bundle, of the files that were judged. Raises ModelError."""
        files = read_bundle(self.bundle_folder(stamp.version))
        if files.digest != stamp.digest or files.files_digest != (stamp.files_digest or files.files_digest):
            raise ArtifactCorruptError(f"The files of v{stamp.version} on this disk are not those that were fetched.")
        may_unpickle = self._pickle == "allowed" and stamp.may_unpickle and bool(stamp.files_digest)
        return open_bundle(files, may_unpickle=may_unpickle)

    def stamp_identity(self) -> tuple[int, int] | None:
        """Changes whenever the stamp is replaced; one stat, so that it can be asked often."""
        try:
            found = (self.folder / STAMP).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def read_stamp(self) -> Stamp | None:
        return self._read(STAMP, Stamp)

    def write_stamp(self, stamp: Stamp) -> None:
        self._write(STAMP, stamp)

    def read_challenger(self) -> ChallengerStamp | None:
        return self._read(CHALLENGER, ChallengerStamp)

    def write_challenger(self, stamp: ChallengerStamp) -> None:
        self._write(CHALLENGER, stamp)

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
        """Workers whose process lives; files of others are removed."""
        found = []
        for path in self.workers.glob("*.json"):
            status = self._read(f"{WORKERS}/{path.name}", WorkerStatus)
            if status is not None and is_alive(status.pid):
                found.append(status)
            else:
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda s: s.pid)

    def _read(self, name: str, kind: type[Status]) -> Status | None:
        return StatusFile(self.folder / name, kind).read()

    def _write(self, name: str, value: msgspec.Struct) -> None:
        StatusFile(self.folder / name, type(value)).write(value)
