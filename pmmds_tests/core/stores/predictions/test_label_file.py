"""A label file is imported completely or rejected with a list of its invalid rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import InputFileError
from pmmds_core.stores.predictions.label_file import read_labels as read_labels_of
from pmmds_core.stores.predictions.label_history import LabelItem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read_labels(path: Path, contract: Contract) -> list[LabelItem]:
    return read_labels_of(path, contract, Settings().timestamps)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_label_values_and_timestamps_are_parsed(tmp_path: Path, contract: Contract) -> None:
    path = written(
        tmp_path,
        "observed_at,label,request_id,note\n2026-03-01T12:00:00Z,1,a,x\n2026-03-01T14:00:00+02:00,No,b,\n"
        "2026-03-01 12:00:00,Yes,c,\n",
    )
    assert read_labels(path, contract) == [LabelItem("a", 1, NOON), LabelItem("b", 0, NOON), LabelItem("c", 1, NOON)]


def test_labels_from_parquet_equal_labels_from_csv(tmp_path: Path, contract: Contract) -> None:
    frame = pd.DataFrame({"request_id": ["a", "b"], "label": [1, 0], "observed_at": [NOON, NOON]})
    frame.to_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", contract) == [LabelItem("a", 1, NOON), LabelItem("b", 0, NOON)]


@pytest.mark.parametrize(
    ("positive", "negative", "cells", "labels"),
    [("2", "1", ("2", "1", "2.0", "1.0"), [1, 0, 1, 0]), ("0", "1", ("0", "1", "0.0"), [1, 0, 1])],
    ids=["1 is the negative class", "0 is the positive class"],
)
def test_numeric_labels_are_interpreted_by_the_contract(
    tmp_path: Path, contract: Contract, positive: str, negative: str, cells: tuple[str, ...], labels: list[int]
) -> None:
    """Numeric labels in files have the same meaning as in the reference data."""
    own = msgspec.structs.replace(contract.label, positive=positive, negative=negative)
    rows = "".join(f"r{i},{cell},2026-03-01T12:00:00Z\n" for i, cell in enumerate(cells))
    path = written(tmp_path, f"request_id,label,observed_at\n{rows}")
    assert [item.label for item in read_labels(path, msgspec.structs.replace(contract, label=own))] == labels
    with pytest.raises(InputFileError, match=f"label '3', expected one of: {negative}, {positive}, false, true"):
        read_labels(
            written(tmp_path, "request_id,label,observed_at\na,3,2026-03-01\n"),
            msgspec.structs.replace(contract, label=own),
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("request_id,label\na,1\n", "has no column observed_at"),
        ("request_id,label,observed_at\n", "has a header but no rows"),
        (
            "request_id,label,observed_at\na,maybe,2026-03-01T12:00:00Z\nb,1,yesterday\n",
            r"2 of 2 rows are invalid; line 2: label 'maybe', expected one of: No, .* true; line 3: observed_at 'yest",
        ),
        ("request_id,label,observed_at\n,1,2026-03-01T12:00:00Z\n", "line 2: request_id has 0 characters"),
        ("request_id,label,observed_at\na,,2026-03-01T12:00:00Z\n", "label ''"),
        (
            "request_id,label,observed_at\na,1,9998-01-01\n",
            "observed_at '9998-01-01', expected a time from 2000-01-01 to 20",
        ),
        ("request_id,label,observed_at\na,1,0001-01-01T00:00:00+14:00\n", "expected a time from 2000-01-01 to 20"),
        (
            "request_id,label,observed_at\na,1,1770010112345\n",
            "'1770010112345', expected an ISO 8601 timestamp such as 2026-03-01T12:00:00Z; a number",
        ),
    ],
)
def test_a_file_with_invalid_rows_is_rejected_and_the_rows_are_listed(
    tmp_path: Path, contract: Contract, text: str, said: str
) -> None:
    with pytest.raises(InputFileError, match=said):
        read_labels(written(tmp_path, text), contract)


def test_a_missing_label_file_is_reported(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", contract)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1_772_366_400], pa.int64()),
        pa.array([1_772_366_400_000_000_000], pa.int64()),
        pa.array([1_772_366_400.5], pa.float64()),
        pa.array(["1772366400000"]),
        pa.array([0], pa.timestamp("ms")),
    ],
    ids=["seconds", "nanoseconds", "float", "text", "1970"],
)
def test_epoch_numbers_in_parquet_are_rejected(tmp_path: Path, contract: Contract, column: pa.Array) -> None:
    pq.write_table(pa.table({"request_id": ["a"], "label": [1], "observed_at": column}), tmp_path / "labels.parquet")
    with pytest.raises(InputFileError, match=r"row 1: observed_at '.*', expected"):
        read_labels(tmp_path / "labels.parquet", contract)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1_772_366_400_123_456_789], pa.timestamp("ns")), NOON.replace(microsecond=123_456)),
        (pa.array([1_772_366_400_000], pa.timestamp("ms", tz="Asia/Kolkata")), NOON),
        (pa.array([20_513], pa.date32()), NOON.replace(hour=0)),
        (pa.array(["2026-03-01 12:00:00 UTC"]), NOON),
    ],
    ids=["ns", "with a zone", "date", "text"],
)
def test_parquet_timestamps_of_every_type_are_read(
    tmp_path: Path, contract: Contract, column: pa.Array, expected: datetime
) -> None:
    pq.write_table(pa.table({"request_id": ["a"], "label": [True], "observed_at": column}), tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", contract) == [LabelItem("a", 1, expected)]
