"""A label file is imported completely or rejected with its invalid rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import InputFileError
from pmmds_core.stores.predictions.label_file import read_labels
from pmmds_core.stores.predictions.label_history import LabelItem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


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


def test_parquet_labels_equal_csv_labels(tmp_path: Path, contract: Contract) -> None:
    frame = pd.DataFrame({"request_id": ["a", "b"], "label": [1, 0], "observed_at": [NOON, NOON]})
    frame.to_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", contract) == [LabelItem("a", 1, NOON), LabelItem("b", 0, NOON)]


@pytest.mark.parametrize(
    ("positive", "negative", "cells", "labels"),
    [("2", "1", ("2", "1", "2.0", "1.0"), [1, 0, 1, 0]), ("0", "1", ("0", "1", "0.0"), [1, 0, 1])],
    ids=["1 is the negative class", "0 is the positive class"],
)
def test_numeric_labels_follow_the_contract(
    tmp_path: Path, contract: Contract, positive: str, negative: str, cells: tuple[str, ...], labels: list[int]
) -> None:
    """Numeric labels have the same meaning as in the reference data."""
    own = msgspec.structs.replace(contract.label, positive=positive, negative=negative)
    rows = "".join(f"r{i},{cell},2026-03-01T12:00:00Z\n" for i, cell in enumerate(cells))
    path = written(tmp_path, f"request_id,label,observed_at\n{rows}")
    assert [item.label for item in read_labels(path, msgspec.structs.replace(contract, label=own))] == labels
    with pytest.raises(InputFileError, match=f"label '3', expected one of {'0, 1' if positive == '0' else '1, 2'}"):
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
            "2 of 2 rows are invalid; line 2: label 'maybe', expected one of 0, 1, No, Yes; line 3: observed_at 'yest",
        ),
        ("request_id,label,observed_at\n,1,2026-03-01T12:00:00Z\n", "line 2: request_id has 0 characters"),
        ("request_id,label,observed_at\na,,2026-03-01T12:00:00Z\n", "label ''"),
        (
            "request_id,label,observed_at\na,1,9998-01-01\n",
            "observed_at '9998-01-01', expected at most a day after now",
        ),
        ("request_id,label,observed_at\na,1,0001-01-01T00:00:00+14:00\n", "expected an ISO 8601 timestamp"),
    ],
)
def test_invalid_rows_are_named_and_the_file_is_rejected(
    tmp_path: Path, contract: Contract, text: str, said: str
) -> None:
    with pytest.raises(InputFileError, match=said):
        read_labels(written(tmp_path, text), contract)


def test_a_missing_label_file_is_reported(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", contract)
