"""Other processes can claim a segment only after its creator has locked and released it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.spool.segment import NEW_SUFFIX, SUFFIX, Segment, claim_all, encode_record, remove_unfinished
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.prediction_records import make_records


def adopt_everything(folder: Path) -> None:
    """Claim and delete all segments that no process holds."""
    remove_unfinished(folder)
    for path in folder.glob(f"*{SUFFIX}"):
        found = Segment.claim(path)
        if found is not None:
            found.delete()


def test_a_segment_is_readable_only_by_its_owner(tmp_path: Path, contract: Contract) -> None:
    segment = Segment.create(tmp_path, "own", contract.feature_names)
    segment.close()
    assert [p.stat().st_mode & 0o777 for p in tmp_path.iterdir()] == [0o600]


def interrupted(call: Callable[..., Any], folder: Path, *, n_times: int) -> Callable[..., Any]:
    """Wrap a system call so that its first `n_times` calls have claims before and after them."""
    left = [n_times]

    def called(*arguments: Any, **named: Any) -> Any:
        if not left[0]:
            return call(*arguments, **named)
        left[0] -= 1
        adopt_everything(folder)
        result = call(*arguments, **named)
        adopt_everything(folder)
        return result

    return called


@pytest.mark.parametrize("n_times", [1, 2, 3])
@pytest.mark.parametrize(("module", "name"), [(fcntl, "flock"), (os, "open"), (os, "pwrite"), (Path, "rename")])
def test_a_segment_being_created_cannot_be_claimed(
    module: Any, name: str, n_times: int, tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _interrupt(patch, module, name, tmp_path, n_times)
        segment = Segment.create(tmp_path, "mine", contract.feature_names)
    segment.write(encode_record(make_records(contract, 1)[0]))
    assert [path.name for path in tmp_path.iterdir()] == [f"mine{SUFFIX}"]
    assert segment.path.stat().st_size == segment.size
    assert Segment.claim(segment.path) is None
    segment.close()
    heir = Segment.claim(segment.path)
    assert heir is not None
    found = heir.header()
    assert found is not None
    assert len(heir.read(found[1], 10).records) == 1
    heir.close()


def _interrupt(patch: pytest.MonkeyPatch, module: Any, name: str, folder: Path, n_times: int) -> None:
    """Patch the call so that claims run without intercepting their own system calls."""
    plain = getattr(module, name)
    busy = [False]
    wrapped = interrupted(plain, folder, n_times=n_times)

    def called(*arguments: Any, **named: Any) -> Any:
        if busy[0]:
            return plain(*arguments, **named)
        busy[0] = True
        try:
            return wrapped(*arguments, **named)
        finally:
            busy[0] = False

    patch.setattr(module, name, called)


_MAKE_AND_APPEND = """
import sys
from pathlib import Path
from pmmds_core.contracts.contract import load_contract
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.prediction_records import make_records
contract = load_contract("")
(record,) = make_records(contract, 1)
n_lost = 0
for _ in range(2000):
    spool = Spool(Path(sys.argv[1]), contract.feature_names)
    spool.append([record])
    (part,) = spool._parts
    n_lost += not part.segment.path.exists()
    spool.close()
print(n_lost)
"""


def test_no_record_is_lost_by_concurrent_creates_and_claims(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _MAKE_AND_APPEND, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as maker:
        while maker.poll() is None:
            adopt_everything(tmp_path)
        assert maker.stdout is not None
        assert maker.stdout.read().strip() == "0"
        assert maker.returncode == 0


def test_unfinished_segments_of_dead_creators_are_removed(tmp_path: Path, contract: Contract) -> None:
    (tmp_path / f"dead{NEW_SUFFIX}").write_bytes(b"half a header")
    living = (tmp_path / f"living{NEW_SUFFIX}").open("wb")
    fcntl.flock(living, fcntl.LOCK_EX)
    spool = Spool(tmp_path, contract.feature_names)
    assert list(claim_all(tmp_path)) == []
    assert not (tmp_path / f"dead{NEW_SUFFIX}").exists()
    assert (tmp_path / f"living{NEW_SUFFIX}").exists()
    living.close()
    spool.close()


_HOLD = """
import sys, time
from pathlib import Path
from pmmds_serving.spool.segment import Segment
segment = Segment.create(Path(sys.argv[1]), "held", ("a",))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_late_claim_does_not_touch_a_renamed_file(tmp_path: Path) -> None:
    """The claim opens a file before another process renames and closes it, and locks it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        path = tmp_path / f"held{SUFFIX}"
        assert Segment.claim(path) is None
        holder.send_signal(signal.SIGKILL)
    first = Segment.claim(path)
    assert first is not None
    kept = first.set_aside(".kept")
    assert Segment.claim(path) is None
    assert kept.exists()
