"""Comparing two files: counts equal numpy's for every format, and the kind of every column is reported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import read_source, to_columns
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.compare import FileComparison, compare_files
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import count, fit_profile, merge
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.synthetic.generator import packaged_generator


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return packaged_generator().sample(3000, 7)


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def counts_in(result: FileComparison) -> dict[str, tuple[int, ...]]:
    return {f.bins.feature: f.counts for f in result.profile.with_score}


def shares_in(result: FileComparison, feature: str) -> dict[str, float | None]:
    found = next(f for f in result.features if f.feature == feature)
    return {b.label: b.current_share for b in found.bins if b.current_share}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_profile_of_a_file_with_a_contract_equals_that_of_its_rows(
    tmp_path: Path, frame: pd.DataFrame, contract: Contract, suffix: str
) -> None:
    path = written(frame, tmp_path / f"reference{suffix}")
    result = compare_files(path, path, contract=contract)
    source = read_source(path, contract).frame
    expected = fit_profile(contract, to_columns(source, contract), np.zeros(len(source)))
    assert result.profile.features == expected.features
    assert result.verdict.verdict is Verdict.STABLE
    assert {f.psi for f in result.features} == {0.0}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_without_a_contract_numbers_are_numeric_and_text_is_categorical(
    tmp_path: Path, frame: pd.DataFrame, suffix: str
) -> None:
    path = written(frame, tmp_path / f"reference{suffix}")
    result = compare_files(path, path)
    kinds = {n.column: n.kind for n in result.notes}
    assert kinds["senior_citizen"] == kinds["tenure"] == kinds["monthly_charges"] == "numeric"
    assert kinds["contract"] == kinds["gender"] == "categorical"
    for feature in result.profile.features:
        name, bins = feature.bins.feature, feature.bins
        if bins.kind == "numeric":
            assert bins == fit_numeric_bins(name, frame[name].to_numpy(dtype=np.float64), 10)
        else:
            assert set(bins.categories) == set(frame[name])
        assert feature.counts == tuple(count(bins, frame[name].to_numpy()))


def test_csv_and_parquet_of_the_same_rows_have_no_drift(tmp_path: Path, frame: pd.DataFrame) -> None:
    one, other = written(frame, tmp_path / "a.csv"), written(frame, tmp_path / "b.parquet")
    for pair in ((one, other), (other, one)):
        assert {f.psi for f in compare_files(*pair).features} == {0.0}


def test_file_formats_are_detected_regardless_of_the_suffix(tmp_path: Path, frame: pd.DataFrame) -> None:
    written(frame, tmp_path / "a.parquet").rename(tmp_path / "a.csv")
    written(frame, tmp_path / "b.csv").rename(tmp_path / "b.parquet")
    assert {f.psi for f in compare_files(tmp_path / "a.csv", tmp_path / "b.parquet").features} == {0.0}


def test_a_saved_profile_can_replace_the_reference_file(
    tmp_path: Path, frame: pd.DataFrame, contract: Contract
) -> None:
    a = written(frame[:2000], tmp_path / "a.parquet")
    b = written(frame[2000:], tmp_path / "b.csv")
    for given in (None, contract):
        direct = compare_files(a, b, contract=given)
        direct.save_profile(tmp_path / "p.json")
        again = compare_files(tmp_path / "p.json", b, contract=given)
        assert again.features == direct.features
        assert again.verdict == direct.verdict
    # The packaged contract is the default.
    assert compare_files(tmp_path / "p.json", b).features == direct.features


def test_merged_profiles_of_files_equal_the_profile_of_all_rows(
    tmp_path: Path, frame: pd.DataFrame, contract: Contract
) -> None:
    whole = written(frame, tmp_path / "whole.parquet")
    parts = [written(frame[a:b], tmp_path / f"{a}.csv") for a, b in ((0, 10), (10, 1500), (1500, 3000))]
    full = compare_files(whole, whole, contract=contract)
    counted = [
        full.profile.recounted(compare_files_counts(full, p, contract), n)
        for p, n in zip(parts, (10, 1490, 1500), strict=True)
    ]
    assert merge(counted) == full.profile


def compare_files_counts(full: FileComparison, path: Path, contract: Contract) -> dict[str, Any]:
    source = read_source(path, contract).frame
    columns = to_columns(source, contract)
    return {f.bins.feature: count(f.bins, columns[f.bins.feature]) for f in full.profile.features}


def test_the_score_is_reported_but_not_counted_as_a_feature(tmp_path: Path, frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    a = written(frame.assign(probability=rng.beta(2, 5, len(frame))), tmp_path / "a.parquet")
    b = written(frame.assign(probability=rng.beta(5, 2, len(frame))), tmp_path / "b.parquet")
    result = compare_files(a, b, score="probability")
    assert result.features[-1].feature == SCORE
    assert (result.features[-1].psi or 0) > 0.25
    assert "0 of 20 features" in result.verdict.reason_text


def test_text_in_a_formerly_numeric_column_counts_as_not_a_number(tmp_path: Path, frame: pd.DataFrame) -> None:
    a = written(frame, tmp_path / "a.parquet")
    odd = frame.assign(tenure=[f"month {t}" for t in frame["tenure"]], contract=1, monthly_charges=None)
    b = written(odd, tmp_path / "b.parquet")
    result = compare_files(a, b)
    assert shares_in(result, "tenure") == {"(not a number)": 1.0}
    assert shares_in(result, "contract") == {"(unseen)": 1.0}
    assert shares_in(result, "monthly_charges") == {"(null)": 1.0}
    assert all(f.psi is not None and np.isfinite(f.psi) for f in result.features)
    assert {f.feature for f in result.features if (f.psi or 0) > 0.01} == {"tenure", "contract", "monthly_charges"}
    assert result.verdict.verdict is Verdict.DRIFTED


def test_constant_and_empty_reference_columns_can_be_compared(tmp_path: Path) -> None:
    n = 500
    a = written(pd.DataFrame({"one": [7] * n, "none": [None] * n, "void": [np.nan] * n}), tmp_path / "a.parquet")
    b = written(pd.DataFrame({"one": [8] * n, "none": ["x"] * n, "void": [1.0] * n}), tmp_path / "b.parquet")
    result = compare_files(a, b)
    assert all(f.psi is not None and np.isfinite(f.psi) for f in result.features)
    assert shares_in(result, "one") == {"(unseen)": 1.0}
    assert shares_in(result, "void") == {"(any)": 1.0}


def test_rare_categories_share_a_bin_and_ids_are_excluded(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    towns = np.where(
        rng.random(n) < 0.5,
        "town" + pd.Series(rng.integers(0, 60, n)).astype(str),
        "village" + pd.Series(rng.integers(0, 9_940, n)).astype(str),
    )
    rows = pd.DataFrame(
        {
            "town": towns,
            "id": [f"c-{i}" for i in range(n)],
            "x": rng.normal(size=n),
            "at": pd.date_range("2026-01-01", periods=n, freq="min"),
        }
    )
    a = written(rows, tmp_path / "a.parquet")
    result = compare_files(a, a)
    notes = {note.column: note for note in result.notes}
    assert [n for n, note in notes.items() if note.kind is None] == ["id", "at"]
    assert "identifier" in notes["id"].why
    assert "dates or times" in notes["at"].why
    assert "100 most frequent" in notes["town"].why
    (town,) = (f for f in result.profile.features if f.bins.feature == "town")
    values, frequencies = np.unique(towns.astype(str), return_counts=True)
    order = sorted(zip(-frequencies, values, strict=True))[:100]
    assert town.bins.categories == tuple(v for _, v in order)
    assert list(town.counts[:100]) == [-f for f, _ in order]
    assert sum(town.counts) == n
    assert [f.feature for f in result.features] == ["town", "x"]


def test_text_with_only_numbers_and_blanks_is_numeric(tmp_path: Path) -> None:
    texts = [f"{x / 8:.3f}" for x in range(990)] + [" "] * 10
    a = written(pd.DataFrame({"charges": texts}), tmp_path / "a.parquet")
    result = compare_files(a, a)
    assert result.notes[0].kind == "numeric"
    numbers = np.array([float(t) if t.strip() else np.nan for t in texts])
    bins = fit_numeric_bins("charges", numbers, 10)
    assert result.profile.features[0].bins == bins
    assert result.profile.features[0].counts == tuple(count(bins, numbers))


def test_mixed_numbers_and_text_are_rejected_without_a_contract(tmp_path: Path) -> None:
    a = written(pd.DataFrame({"x": [str(i) for i in range(300)] + ["oops"] * 3}), tmp_path / "a.parquet")
    with pytest.raises(InputFileError, match="'x' mixes 300 numbers with 3 other values"):
        compare_files(a, a)


def test_the_columns_argument_restricts_the_comparison(tmp_path: Path, frame: pd.DataFrame) -> None:
    a, b = written(frame, tmp_path / "a.parquet"), written(frame.assign(extra=1), tmp_path / "b.parquet")
    assert compare_files(a, b).warnings == (
        "Warning: b.parquet has columns that a.parquet lacks, which are not compared: extra.",
    )
    with pytest.raises(InputFileError, match=r"a.parquet lacks columns that .*b.parquet has: extra"):
        compare_files(b, a)
    result = compare_files(a, b, columns=["tenure", "contract"])
    assert [f.feature for f in result.features] == ["tenure", "contract"]


def test_unusual_names_and_values_of_a_csv_file_are_preserved(tmp_path: Path) -> None:
    path = tmp_path / "odd [1]*.csv"
    path.write_bytes(
        '﻿"a ""quoted"" name",A,a,"line\nbreak",größe\r\n'.encode()
        + '"x, y",1,2,"two\nlines",💳\r\n"it\'s",,3,,\r\n'.encode() * 60
    )
    result = compare_files(path, path)
    assert [f.feature for f in result.features] == ['a "quoted" name', "A", "a", "line\nbreak", "größe"]
    assert shares_in(result, 'a "quoted" name') == {"it's": 0.5, "x, y": 0.5}
    assert shares_in(result, "größe") == {"💳": 0.5, "(null)": 0.5}
    assert shares_in(result, "line\nbreak") == {"two\nlines": 0.5, "(null)": 0.5}


def test_reference_counts_equal_those_of_the_bin_queries(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = written(frame, tmp_path / "a.parquet")
    result = compare_files(path, path)
    again = {f.feature: [b.current_share for b in f.bins] for f in result.features}
    for feature in result.profile.features:
        assert again[feature.bins.feature] == [c / 3000 for c in feature.counts]


def test_comparing_imports_neither_pandas_nor_deployment_libraries(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = written(frame, tmp_path / "a.parquet")
    code = (
        "import sys; from pmmds_core.file_drift import compare_files; compare_files(sys.argv[1], sys.argv[1]);"
        "print(sorted({'pandas', 'pyarrow', 'sqlalchemy', 'dagster', 'mlflow', 'altair', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_number_of_row_groups_does_not_change_the_counts(tmp_path: Path, frame: pd.DataFrame) -> None:
    one = written(frame, tmp_path / "one.parquet")
    many = tmp_path / "many.parquet"
    duckdb.connect().execute(f"COPY (FROM '{one}') TO '{many}' (ROW_GROUP_SIZE 2048)")
    assert counts_in(compare_files(one, one)) == counts_in(compare_files(many, many))


def test_too_few_rows_give_insufficient_data(tmp_path: Path, frame: pd.DataFrame) -> None:
    a, b = written(frame, tmp_path / "a.parquet"), written(frame[:99], tmp_path / "b.parquet")
    assert compare_files(a, b).verdict.verdict is Verdict.INSUFFICIENT_DATA


def test_blank_categories_have_their_own_bins() -> None:
    assert FeatureBins("x", "categorical", categories=("", " ")).n_bins == 4


def test_the_tutorial_code_prints_the_output_shown_in_the_tutorial(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tutorial = Path(__file__).parents[3] / "docs" / "tutorials" / "compare-two-files.md"
    parts = re.findall(r"```python\n(.*?)```", tutorial.read_text(encoding="utf-8"), re.DOTALL)
    written(frame[:1500], tmp_path / "january.parquet")
    written(frame[1500:].assign(contract="Two year"), tmp_path / "february.csv")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for part in parts:
        exec(part, names)  # noqa: S102 - runs the tutorial's own code
    said = capsys.readouterr().out
    assert said.startswith("Stable. 1 of 20 features have a PSI above 0.2 (contract")
    assert "contract: Two year" in said
    assert (tmp_path / "drift.html").stat().st_size > 10_000
    assert len(parts[0].strip().splitlines()) <= 5
