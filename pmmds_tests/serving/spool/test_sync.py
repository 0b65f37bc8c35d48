"""A separate thread syncs predictions to disk in time, even without a database."""

from __future__ import annotations

import os
import threading
import time

import pytest
from structlog.testing import capture_logs

from pmmds_core.contracts.contract import Contract
from pmmds_serving.spool.spool import Spool, SpoolWriteError
from pmmds_serving.spool.sync import SpoolSyncer
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.serving.spool.test_spool import drained


class _Disk:
    """A sync function that counts its calls and their threads, and can be made to fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.n_files = self.n_folders = 0
        self.threads: set[str] = set()
        self.is_broken = False
        self._plain = {name: getattr(os, name) for name in ("fdatasync", "fsync")}
        patch.setattr(os, "fdatasync", self._file)
        patch.setattr(os, "fsync", self._folder)

    def _file(self, fd: int) -> None:
        self._call("fdatasync", fd)
        self.n_files += 1

    def _folder(self, fd: int) -> None:
        self._call("fsync", fd)
        self.n_folders += 1

    def _call(self, name: str, fd: int) -> None:
        self.threads.add(threading.current_thread().name)
        if self.is_broken:
            raise OSError(5, "Input/output error")
        self._plain[name](fd)


@pytest.fixture
def disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> _Disk:
    return _Disk(monkeypatch)


def test_everything_is_synced_in_time_even_without_a_shipper(spool: Spool, disk: _Disk, contract: Contract) -> None:
    passes: list[float] = []
    syncer = SpoolSyncer(spool, 0.05, lambda: passes.append(time.monotonic()))
    syncer.start()
    for n_before, record in enumerate(make_records(contract, 3)):
        spool.append([record])
        _wait_for_sync(disk, n_before)
        _wait_for_passes(passes, 2)
        assert disk.n_files == n_before + 1
    syncer.stop()
    assert disk.threads == {"spool-sync"}
    assert disk.n_folders == 2  # one sync for each of two new segments


def _wait_for_sync(disk: _Disk, n_before: int) -> None:
    wait_until(lambda: disk.n_files > n_before)


def _wait_for_passes(passes: list[float], n_more: int) -> None:
    before = len(passes)
    wait_until(lambda: len(passes) >= before + n_more)


def test_nothing_is_synced_without_new_records(spool: Spool, disk: _Disk, contract: Contract) -> None:
    spool.sync()
    spool.append(make_records(contract, 1))
    drained(spool)
    synced = disk.n_files
    for _ in range(5):
        spool.sync()
    assert disk.n_files == synced == 1


def test_a_failing_disk_rejects_records_until_it_works_again(spool: Spool, disk: _Disk, contract: Contract) -> None:
    first, second = make_records(contract, 2)
    syncer = SpoolSyncer(spool, 0.01)
    syncer.start()
    disk.is_broken = True
    with capture_logs() as reported:
        spool.append([first])
        wait_until(lambda: "cannot be synced to disk: Input/output error" in syncer.problem)
        with pytest.raises(SpoolWriteError, match="cannot be synced"):
            spool.append([second])
        disk.is_broken = False
        wait_until(lambda: syncer.problem == "")
        wait_until(lambda: len(reported) > 1)  # the problem is logged a moment later
    assert [line["event"] for line in reported] == ["spool_sync_failed", "spool_sync_resumed"]
    spool.append([second])
    assert sorted(r.request_id for r in drained(spool)) == sorted([first.request_id, second.request_id])
    syncer.stop()


def test_a_stopped_sync_thread_is_reported(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    syncer = SpoolSyncer(spool, 0.01)
    monkeypatch.setattr(syncer, "_thread", threading.Thread(target=lambda: None))
    syncer.start()
    wait_until(lambda: syncer.problem.startswith("The spool sync thread has stopped."))
    syncer.stop()


def test_an_error_after_a_sync_does_not_stop_the_thread(spool: Spool) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise RuntimeError("no room for metrics")

    syncer = SpoolSyncer(spool, 0.001, fail)
    syncer.start()
    wait_until(lambda: len(calls) > 3)
    assert syncer.problem == ""
    with pytest.raises(RuntimeError):
        syncer.stop()
