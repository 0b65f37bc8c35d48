"""A spool on a full disk keeps only complete records, and reports the error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import HomeNotWritableError
from pmmds_serving.spool.spool import Spool, SpoolWriteError
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.small_disk import mounted
from pmmds_tests.serving.spool.test_spool import EVERYTHING, adopted, drained, spool_path

_APPEND_UNTIL_REFUSED = """
import json, resource, sys
from pathlib import Path
from pmmds_core.contracts.contract import load_contract
from pmmds_serving.spool.spool import Spool, SpoolWriteError
from pmmds_tests.harness.prediction_records import make_records
contract = load_contract("")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), contract.feature_names)
kept = 0
try:
    for record in make_records(contract, 1000):
        spool.append([record])
        kept += 1
except SpoolWriteError as error:
    print(json.dumps({"kept": kept, "said": str(error)}))
"""


def test_a_failed_write_leaves_no_partial_record(tmp_path: Path, contract: Contract) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _APPEND_UNTIL_REFUSED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    reported = json.loads(done.stdout)
    path = spool_path(tmp_path)
    assert "could not be written to the spool: File too large" in reported["said"]
    assert "PMMDS_HOME" in reported["said"]
    found, file = adopted(path)
    header = file.header()
    assert header is not None
    # The file contains no byte of the rejected record.
    assert file.read(header[1], EVERYTHING).end == path.stat().st_size
    file.close()
    assert len(found) == reported["kept"] > 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    with mounted(tmp_path / "disk", "64k") as folder:
        yield folder


def test_a_full_disk_rejects_a_batch_until_there_is_space(small_disk: Path, contract: Contract) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(40_000))
    spool = Spool(small_disk, contract.feature_names)
    first, second = make_records(contract, 20), make_records(contract, 200, prefix="s")
    spool.append(first)
    with pytest.raises(SpoolWriteError, match=r"No space left on device.*PMMDS_HOME"):
        spool.append(second)
    filler.unlink()
    spool.append(second)
    assert drained(spool) == first + second
    spool.close()


def test_a_full_disk_does_not_block_the_shipper(small_disk: Path, contract: Contract) -> None:
    spool = Spool(small_disk, contract.feature_names)
    records = make_records(contract, 20)
    spool.append(records)
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
    assert drained(spool) == records
    (small_disk / "filler").unlink()
    spool.append(records)
    assert drained(spool) == records
    spool.close()


def test_a_spool_on_a_full_disk_raises_an_error_at_startup(small_disk: Path, contract: Contract) -> None:
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(HomeNotWritableError, match=f"spool folder {small_disk} cannot be written"):
        Spool(small_disk, contract.feature_names)
