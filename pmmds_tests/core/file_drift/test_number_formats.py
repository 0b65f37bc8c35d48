"""Numbers are read alike in every supported format, and ambiguous numbers are rejected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift import compare_files
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_tests.core.file_drift.one_column_files import N, psi_of, psis, write_column


def test_a_single_column_with_decimal_commas_is_read_as_numbers(tmp_path: Path, rows: pd.DataFrame) -> None:
    rows[["amount"]].to_parquet(tmp_path / "a.parquet")
    for name in ("amount", "{amount}"):
        only = rows[["amount"]].rename(columns={"amount": name})
        only.to_parquet(tmp_path / "a.parquet")
        only.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
        assert psis(compare_files(tmp_path / "a.parquet", tmp_path / "b.csv")) == {name: 0.0}
        assert psis(compare_files(tmp_path / "b.csv", tmp_path / "a.parquet")) == {name: 0.0}


def test_numbers_with_decimal_commas_are_recognized(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    amount = np.round(rng.gamma(2, 50, N), 2)
    larger = rng.choice(np.sort(amount)[-300:], N)
    for name, values in (("a", amount), ("b", larger)):
        pd.DataFrame({"amount": values, "x": 1}).to_csv(tmp_path / f"{name}.csv", sep=";", decimal=",", index=False)
    edges = np.quantile(amount, np.arange(1, 10) / 10, method="lower")
    counts = [np.bincount(np.searchsorted(edges, side, side="left"), minlength=10) for side in (amount, larger)]
    result = compare_files(tmp_path / "a.csv", tmp_path / "b.csv")
    assert psis(result)["amount"] == pytest.approx(psi_of(*counts), abs=1e-9)
    note = next(n for n in result.notes if n.column == "amount")
    assert (note.kind, note.is_notable) == ("numeric", True)
    assert "numbers written like" in note.why
    assert result.remarks == (f"amount: {note.why}",)
    assert f"<li>amount: {note.why}".replace("'", "&#39;") in result.to_html()


def test_columns_with_ambiguous_numbers_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "1,234;5\n12,500;6\n" * 100, encoding="utf-8")
    with pytest.raises(InputFileError, match=r"'x' are ambiguous: '1,234' is 1234 or 1\.234"):
        compare_files(path, path)
    result = compare_files(path, path, options=FileOptions(decimal=","))
    assert [f.kind for f in result.features] == ["numeric", "numeric"]


def test_words_for_missing_values_are_recognized_in_numeric_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for word in ("NA", "n/a", "NULL", "-", "?", "#N/A"):
        texts = np.where(rng.random(N) < 0.02, word, rng.integers(18, 90, N).astype(str))
        blanks = np.where(texts == word, "", texts)
        pd.DataFrame({"age": texts}).to_csv(tmp_path / "a.csv", index=False)
        pd.DataFrame({"age": blanks}).to_csv(tmp_path / "b.csv", index=False)
        result = compare_files(tmp_path / "a.csv", tmp_path / "b.csv")
        assert (psis(result), result.features[0].kind) == ({"age": 0.0}, "numeric")
        assert repr(word) in result.notes[0].why


def test_an_unknown_word_among_numbers_is_rejected_unless_declared_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("age\n" + "".join(f"{i % 60 + 20}\n" for i in range(500)) + "unknown\n" * 20, encoding="utf-8")
    with pytest.raises(InputFileError, match=r"'age' mixes 500 numbers with 20 other values, such as 'unknown'"):
        compare_files(path, path)
    (feature,) = compare_files(path, path, options=FileOptions(na=("unknown",))).features
    assert feature.kind == "numeric"
    assert feature.null_share_reference == pytest.approx(20 / 520)


def psi_in_bins_of(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10, method="lower"))
    counts = [
        np.bincount(np.searchsorted(edges, v, side="left"), minlength=len(edges) + 1) for v in (reference, current)
    ]
    return psi_of(*counts)


def in_german(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def in_french(value: float) -> str:
    return f"{value:,.2f}".replace(",", "\u202f").replace(".", ",")


STYLES: dict[str, Callable[[float], str]] = {
    "plain": lambda v: f"{v:.2f}",
    "decimal comma": lambda v: f"{v:.2f}".replace(".", ","),
    "German": in_german,
    "French": in_french,
    "French with no-break spaces": lambda v: in_french(v).replace("\u202f", "\u00a0"),
    "Swiss": lambda v: f"{v:,.2f}".replace(",", "’"),
    "zloty": lambda v: f"{v:.2f} zł".replace(".", ","),
    "rouble": lambda v: f"{v:.2f} руб.",
    "rupee": lambda v: f"Rs. {v:.2f}",
    "accounting": lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}",
    "minus at the end": lambda v: f"{-v:.2f}-" if v < 0 else f"{v:.2f}",
    "exponent with a comma": lambda v: f"{v:.6E}".replace(".", ","),
}


@pytest.mark.parametrize("write", STYLES.values(), ids=STYLES.keys())
def test_numbers_are_recognized_in_any_supported_format(tmp_path: Path, write: Callable[[float], str]) -> None:
    rng = np.random.default_rng(7)
    reference = np.round(rng.gamma(2, 300, N) - 200, 2)
    current = rng.choice(np.sort(reference)[-400:], N)
    plain = write_column(tmp_path, "plain", [f"{v:.2f}" for v in reference])
    local = write_column(tmp_path, "local", [write(v) for v in reference])
    moved = write_column(tmp_path, "moved", [write(v) for v in current])
    right = psi_in_bins_of(reference, current)
    assert psis(compare_files(plain, local))["x"] == 0.0
    assert psis(compare_files(plain, moved))["x"] == pytest.approx(right, abs=1e-9)
    assert psis(compare_files(local, moved))["x"] == pytest.approx(right, abs=1e-9)


def test_ambiguous_thousands_separators_are_resolved_from_other_data_or_options(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    reference = np.round(rng.gamma(3, 9_000, N)) + 1_000
    whole = [in_german(v, 0) for v in reference]
    plain = write_column(tmp_path, "plain", reference)
    full = write_column(tmp_path, "full", [in_german(v) for v in reference])
    short = write_column(tmp_path, "short", whole)
    assert psis(compare_files(full, short))["x"] == 0.0
    for a, b in ((plain, short), (short, plain)):
        for options in (FileOptions(decimal=","), FileOptions(thousands=".")):
            assert psis(compare_files(a, b, options=options))["x"] == 0.0
    other = tmp_path / "other.csv"
    pd.DataFrame({"plan": "a", "x": whole, "y": [in_german(v / 7) for v in reference]}).to_csv(
        other, sep=";", index=False
    )
    values = tmp_path / "values.csv"
    pd.DataFrame({"plan": "a", "x": reference, "y": np.round(reference / 7, 2)}).to_csv(values, index=False)
    for a, b in ((other, values), (values, other)):
        assert psis(compare_files(a, b)) == {"plan": 0.0, "x": 0.0, "y": 0.0}


@pytest.mark.parametrize("form", ["'{:.2f}", "{:.2f} m^2", "eur {:.2f}"])
def test_columns_with_unknown_number_formats_are_rejected(tmp_path: Path, form: str) -> None:
    path = write_column(tmp_path, "a", [form.format(i + 0.25) for i in range(N - 1)] + [form.format(0.25)])
    with pytest.raises(InputFileError, match="'x' seems to have numbers in an unknown format"):
        compare_files(path, path)


def test_a_number_that_means_missing_is_recognized_in_every_column_type(tmp_path: Path) -> None:
    age = np.random.default_rng(9).integers(18, 90, N)
    blank = np.where(np.arange(N) % 5 == 0, np.nan, age)
    pd.DataFrame({"x": blank}).to_parquet(tmp_path / "a.parquet")
    coded = pd.DataFrame({"x": np.where(np.isnan(blank), -999, age)})
    coded.to_parquet(tmp_path / "int.parquet")
    coded.astype(float).to_parquet(tmp_path / "float.parquet")
    coded.astype(float).to_csv(tmp_path / "float.csv", index=False)
    for file in ("int.parquet", "float.parquet", "float.csv"):
        result = compare_files(tmp_path / "a.parquet", tmp_path / file, options=FileOptions(na=("-999",)))
        assert (psis(result), result.features[0].null_share_current) == ({"x": 0.0}, 0.2)


def test_a_score_column_must_contain_probabilities_in_any_number_format(tmp_path: Path) -> None:
    score = np.round(np.random.default_rng(11).random(N), 3)
    a = write_column(tmp_path, "a", [f"{v:.3f}".replace(".", ",") for v in score])
    b = write_column(tmp_path, "b", np.round(score**2, 3))
    found = psis(compare_files(a, b, score="x"))["__score__"]
    assert found == pytest.approx(psi_in_bins_of(score, np.round(score**2, 3)), abs=0.01)
    for cells in (score * 100, ["high", "low"] * (N // 2), [f"{v * 100:.1f}%" for v in score]):
        path = write_column(tmp_path, "c", cells)
        with pytest.raises(InputFileError, match="values of the score 'x' are numbers from 0 to 1"):
            compare_files(path, path, score="x")
