"""Options for column kinds, words for missing values, bins and thresholds; errors name each invalid value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift import compare_files
from pmmds_core.file_drift.compare import FileComparison
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.file_options import FileOptions

N = 500


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "code": rng.integers(1, 4, N),
            "amount": rng.normal(size=N),
            "note": rng.choice(["x", "y", "unknown"], N),
            "at": pd.date_range("2026-01-01", periods=N),
            "id": range(N),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def kinds(path: Path, **options: Any) -> dict[str, str | None]:
    return {note.column: note.kind for note in compared(path, **options).notes}


def compared(path: Path, **options: Any) -> FileComparison:
    return compare_files(path, path, options=FileOptions(**options))


def test_column_kinds_in_options_override_inferred_kinds(path: Path) -> None:
    assert kinds(path) == {"code": "numeric", "amount": "numeric", "note": "categorical", "at": None, "id": None}
    found = kinds(path, categorical=frozenset(["code", "at"]), numeric=frozenset(["id"]), ignore=frozenset(["note"]))
    assert found == {"code": "categorical", "amount": "numeric", "note": None, "at": "categorical", "id": "numeric"}


def test_a_code_is_the_same_category_whether_stored_as_number_or_text(path: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(path)[["code", "amount"]]
    options = FileOptions(categorical=frozenset(["code"]))
    dtypes_of: dict[str, list[type]] = {"floats": [float], "text": [float, str], "whole text": [str]}
    for name, dtypes in dtypes_of.items():
        code = frame["code"]
        for dtype in dtypes:
            code = code.astype(dtype)
        other = tmp_path / f"{name}.parquet"
        frame.assign(code=code).to_parquet(other)
        for a, b in ((path, other), (other, path)):
            result = compare_files(a, b, columns=["code", "amount"], options=options)
            assert {f.feature: (f.kind, f.psi) for f in result.features}["code"] == ("categorical", 0.0)
            assert sorted(result.profile.features[0].bins.categories) == ["1", "2", "3"]


def test_words_for_missing_values_also_apply_to_categorical_columns(path: Path) -> None:
    note = next(f for f in compared(path, na=("unknown",)).features if f.feature == "note")
    assert note.null_share_current == pytest.approx((pd.read_parquet(path)["note"] == "unknown").mean())


def test_the_number_of_bins_can_be_set_for_a_single_column(path: Path) -> None:
    features = {f.bins.feature: f.bins for f in compared(path, bins={"amount": 20}).profile.features}
    assert features["amount"].n_ordered == 20


def test_thresholds_of_single_columns_determine_the_verdict(path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = ["p", "q", "r"]
    pd.DataFrame({n: rng.normal(size=N) for n in names}).to_parquet(tmp_path / "r.parquet")
    pd.DataFrame({n: rng.normal(0.4, size=N) for n in names}).to_parquet(tmp_path / "c.parquet")
    for threshold, verdict in ((2.0, Verdict.STABLE), (0.05, Verdict.DRIFTED)):
        options = FileOptions(thresholds=dict.fromkeys(names, threshold))
        result = compare_files(tmp_path / "r.parquet", tmp_path / "c.parquet", options=options)
        assert result.verdict.verdict is verdict
        assert "own thresholds: p" in result.verdict.reason_text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"categorical": {"cod"}}, r"has no column 'cod'. Did you mean 'code'\?"),
        ({"ignore": {"zzz"}}, "has no column 'zzz'. It has: code, amount, note, at, id"),
        ({"bins": {"amount": 1}}, "'amount' cannot have 1 bins. Use 2 to 50"),
        ({"thresholds": {"amount": 0.0}}, "threshold 0 of 'amount' is not positive"),
        ({"categorical": {"code"}, "numeric": {"code"}}, "'code' is listed in two of the options"),
        ({"decimal": ";"}, "Invalid value for the option decimal: ';'. Expected a period or a comma"),
        ({"decimal": ",", "thousands": ","}, "are both ','"),
        ({"delimiter": "ab"}, "Invalid value for the option delimiter: 'ab'"),
        ({"numeric": {"at"}}, "'at' is timestamp_ns, which is not a number|'at' is timestamp"),
    ],
)
def test_invalid_options_are_rejected(path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputFileError, match=sentence):
        compared(path, **{k: frozenset(v) if isinstance(v, set) else v for k, v in options.items()})


def test_column_kinds_cannot_contradict_a_contract_or_a_saved_profile(path: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    compared(path).save_profile(profile)
    with pytest.raises(InputFileError, match="kinds and bins come from the saved profile"):
        compare_files(profile, path, options=FileOptions(numeric=frozenset(["note"])))
    result = compare_files(profile, path, options=FileOptions(ignore=frozenset(["note"])))
    assert [f.feature for f in result.features] == ["code", "amount"]
    with pytest.raises(InputFileError, match="kinds and bins come from the contract"):
        compare_files(path, path, contract="telco_churn", options=FileOptions(bins={"tenure": 5}))
