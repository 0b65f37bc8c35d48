"""Values that the reference does not have are unseen, and rounding moves no value to another bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.file_drift import compare_files
from pmmds_tests.core.file_drift.one_column_files import N, psi_of, psi_of_values, psis


def test_a_new_code_in_a_discrete_column_is_unseen(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    reference = pd.DataFrame({"region": rng.integers(1, 4, N), "flag": rng.integers(0, 2, N), "zero": 0.0})
    current = reference.copy()
    current.loc[:350, "region"] = 4
    current.loc[:460, "flag"] = 2
    current.loc[:200, "zero"] = -1.0
    right = {name: psi_of_values(reference[name], current[name]) for name in reference}
    for suffix in ("parquet", "csv"):
        a, b = (tmp_path / f"{side}.{suffix}" for side in "ab")
        for frame, path in ((reference, a), (current, b)):
            frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
        assert psis(compare_files(a, b)) == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize("k", [11, 12, 20, 30])
@pytest.mark.parametrize(("old", "new"), [(1, 0), (1, -9), ("k", "k+1"), ("k", 999)])
def test_a_new_code_outside_the_range_of_many_codes_is_unseen(
    tmp_path: Path, k: int, old: int | str, new: int | str
) -> None:
    reference = np.random.default_rng(k).integers(1, k + 1, N).astype(float)
    words = {"k": k, "k+1": k + 1}
    gone, code = words.get(str(old), old), words.get(str(new), new)
    current = np.where(reference == gone, code, reference)
    for name, values in (("a", reference), ("b", current)):
        pd.DataFrame({"x": values}).to_parquet(tmp_path / f"{name}.parquet")
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10, method="lower"))
    bins = np.where(current == code, len(edges) + 1, np.searchsorted(edges, current))
    counts = [np.bincount(b, minlength=len(edges) + 2) for b in (np.searchsorted(edges, reference), bins)]
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet").features
    assert feature.unseen_share == np.mean(current == code)
    assert feature.psi == pytest.approx(psi_of(*counts), abs=1e-9)


def test_a_new_code_between_many_known_codes_is_unseen(tmp_path: Path) -> None:
    codes = np.array([*range(100, 400, 10), 405, 407])
    reference = np.random.default_rng(0).choice(codes, N)
    reference[:64] = np.repeat(codes, 2)
    pd.DataFrame({"x": reference}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": np.where(reference == 205, 206, np.where(reference == 210, 211, reference))}).to_csv(
        tmp_path / "b.csv", index=False
    )
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "b.csv").features
    assert feature.unseen_share == np.mean(reference == 210)
    result = compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet")
    result.save_profile(tmp_path / "profile.json")
    (saved,) = compare_files(tmp_path / "profile.json", tmp_path / "b.csv").features
    assert saved.psi == feature.psi


def test_a_new_sentinel_value_in_a_mostly_constant_column_is_unseen(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    amount = np.where(rng.random(N) < 0.95, 0.0, rng.gamma(2, 50, N))
    current = np.where(np.arange(N) < 300, -1.0, amount)
    for name, values in (("a", amount), ("b", current)):
        pd.DataFrame({"amount": values}).to_parquet(tmp_path / f"{name}.parquet")
    result = compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet")
    (feature,) = result.features
    assert feature.unseen_share == 0.3
    assert feature.statement == "amount: 30% of rows have a value that is not in the reference"


def test_floating_point_rounding_does_not_move_values_between_bins(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    cents = rng.integers(1, 400, N)
    exact = pd.DataFrame({"few": cents % 7 / 10, "many": cents / 100})
    summed = pd.DataFrame({"few": sum(np.where(cents % 7 > i, 0.1, 0.0) for i in range(7)), "many": cents * 0.1 * 0.1})
    assert not np.array_equal(exact["few"], summed["few"])
    exact.to_parquet(tmp_path / "a.parquet")
    for frame in (summed, exact.astype("float32"), summed.astype("float32")):
        frame.to_parquet(tmp_path / "b.parquet")
        assert psis(compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet")) == {"few": 0.0, "many": 0.0}
