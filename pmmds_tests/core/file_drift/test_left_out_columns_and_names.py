"""Ids are left out, names do not collide, and unusable files and small samples are reported."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift import compare_files
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_tests.core.file_drift.one_column_files import N, psis


@pytest.mark.parametrize("ids", [range(N), range(100_000, 100_000 + 3 * N, 3), [f"c{i}" for i in range(N)]])
def test_id_columns_are_left_out(tmp_path: Path, rows: pd.DataFrame, ids: list[Any]) -> None:
    with_ids = rows.assign(id=list(ids))
    for name, frame in (("set", with_ids.set_index("id")), ("column", with_ids)):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    with_ids.to_csv(tmp_path / "a.csv", index=False)
    for file in ("set.parquet", "column.parquet", "a.csv"):
        result = compare_files(tmp_path / file, tmp_path / "a.csv")
        assert list(psis(result)) == ["plan", "active", "amount"]
        assert "id" in [n.column for n in result.notes if n.kind is None]


def test_amounts_without_duplicates_are_not_treated_as_ids(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"cents": rng.choice(10**9, N, replace=False), "real": rng.normal(size=N)})
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(psis(compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet"))) == ["cents", "real"]


@pytest.mark.parametrize(
    "name", ["v", "n", "v0", "t0", "c0", "count", "filename", "file_row_number", "rowid", "key", "(null)"]
)
def test_column_names_do_not_collide_with_internal_names(tmp_path: Path, rows: pd.DataFrame, name: str) -> None:
    for column in ("plan", "amount"):
        path = tmp_path / f"{column}.parquet"
        rows.rename(columns={column: name}).to_parquet(path)
        result = compare_files(path, path)
        assert psis(result) == {name: 0.0} | {n: 0.0 for n in ("plan", "active", "amount") if n != column}


def test_a_category_named_like_a_special_bin_has_its_own_bin(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": ["(null)", "(unseen)", "a", None] * 100})
    frame.to_parquet(tmp_path / "a.parquet")
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet").features
    labels = [b.label for b in feature.bins]
    assert sorted(labels) == sorted(["'(null)'", "'(unseen)'", "a", "(unseen)", "(null)"])
    assert {b.label: b.current_share for b in feature.bins}["(null)"] == 0.25


def test_the_reserved_name_of_the_score_is_rejected_for_a_feature(tmp_path: Path, rows: pd.DataFrame) -> None:
    path = tmp_path / "a.parquet"
    rows.assign(__score__=0.5).to_parquet(path)
    with pytest.raises(InputFileError, match=r"column '__score__', the name that reports use for the score"):
        compare_files(path, path)
    assert list(psis(compare_files(path, path, score="__score__"))) == ["plan", "active", "amount", "__score__"]
    ignored = compare_files(path, path, options=FileOptions(ignore=frozenset(["__score__"])))
    assert list(psis(ignored)) == ["plan", "active", "amount"]


@pytest.mark.parametrize("n", [1, 5, 99])
def test_a_small_reference_or_window_gives_insufficient_data(tmp_path: Path, rows: pd.DataFrame, n: int) -> None:
    rows[:n].to_parquet(tmp_path / "a.parquet")
    rows.assign(plan="z", amount=-5.0).to_parquet(tmp_path / "b.parquet")
    for a, b, side in (("a", "b", "reference"), ("b", "a", "window")):
        verdict = compare_files(tmp_path / f"{a}.parquet", tmp_path / f"{b}.parquet").verdict
        assert {r.verdict for r in verdict.rules} == {Verdict.INSUFFICIENT_DATA}
        assert f"{n} row" in verdict.reason_text
        assert f"in the {side}; at least 100 are required" in verdict.reason_text
        assert verdict.drifted_features == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", "is text in UTF-16"),
        (b"ARROW1\0\0", "is an Arrow (Feather) file"),
        (b'a,"b\n1,2\n', "cannot be read as CSV in UTF-8: a quote is not closed"),
        (b",,\n1,2,3\n", "cannot be read as CSV in UTF-8: line 1 has no column names"),
        (gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:60], "cannot be decompressed"),
    ],
)
def test_the_error_for_a_file_that_is_not_csv_names_the_problem(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InputFileError) as raised:
        compare_files(path, path)
    assert sentence in raised.value.message
