"""Comparing two data frames gives the same result as comparing their Parquet files written by pandas."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pmmds
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.compare import FileComparison, compare_files
from pmmds_core.file_drift.frames import as_parameters
from pmmds_core.stores.files.file_options import FileOptions

N = 800


def rows(seed: int) -> pd.DataFrame:
    """Return a frame with columns of every kind that pandas supports."""
    random = np.random.default_rng(seed)
    amount = random.gamma(2 + seed, 50, N)
    plan = random.choice(["a", "b", "c <b>"], N, p=[0.5, 0.3, 0.2] if seed == 0 else [0.2, 0.3, 0.5])
    is_missing = pd.Series(random.random(N) < 0.1)
    with_gaps = pd.Series(random.integers(0, 9, N)).astype("Int64").mask(is_missing)
    return pd.DataFrame(
        {
            "amount": np.where(random.random(N) < 0.05, np.nan, amount),
            "half": amount.astype(np.float16),
            "plan": plan,
            "plan as category": pd.Categorical(plan),
            "plan as string": pd.Series(plan).astype("string"),
            "small": random.integers(0, 200, N).astype(np.uint8),
            "gaps": with_gaps,
            "active": random.random(N) < 0.7,
            "maybe": pd.Series(random.random(N) < 0.5).astype("boolean").mask(is_missing),
            "numbers as text": [f"{value:.2f}" for value in amount],
            "price": [Decimal(int(value)) / 4 for value in amount],
            "wait": pd.to_timedelta(random.integers(0, 1000, N), unit="s"),
            "day": pd.date_range("2026-05-01", periods=N, freq="h"),
            "day with zone": pd.date_range("2026-05-01", periods=N, freq="h", tz="Europe/Berlin"),
            "name": [f"customer {i}" for i in range(N)],
            "bytes": [text.encode() for text in plan],
            "empty": pd.Series([None] * N, dtype=object),
            "score": random.random(N),
        }
    )


def by_files(reference: pd.DataFrame, current: pd.DataFrame, folder: Path, **more: Any) -> FileComparison:
    paths = [folder / name for name in ("reference", "current")]
    for path, frame in zip(paths, (reference, current), strict=True):
        frame.to_parquet(path)
    return compare_files(*paths, **more)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"score": "score"},
        {"columns": ["amount", "plan"]},
        {"options": FileOptions(categorical=frozenset({"small"}), ignore=frozenset({"name"}), bins={"amount": 20})},
        {"options": FileOptions(na=("a",), thresholds={"plan": 0.5})},
    ],
    ids=["defaults", "score", "columns", "kinds", "missing words"],
)
def test_frames_and_their_parquet_files_give_the_same_document(tmp_path: Path, more: dict[str, Any]) -> None:
    reference, current = rows(0), rows(1)
    result = pmmds.compare(reference, current, **more)
    assert result.document == by_files(reference, current, tmp_path, **more).document
    assert result.document["verdict"] == "drifted"


def test_psi_of_a_categorical_feature_matches_its_definition() -> None:
    reference, current = rows(0), rows(1)
    counts = [frame["plan"].value_counts().sort_index().to_numpy() + 0.5 for frame in (reference, current)]
    r, c = (n / n.sum() for n in counts)
    (plan,) = (f for f in pmmds.compare(reference, current).features if f.feature == "plan")
    assert plan.psi == pytest.approx(float(((c - r) * np.log(c / r)).sum()))


@pytest.mark.parametrize("name", [None, "customer"])
def test_the_index_of_a_frame_is_handled_as_in_a_parquet_file(tmp_path: Path, name: str | None) -> None:
    frames = [rows(seed)[["plan", "amount"]].set_index(pd.Index(np.arange(N) % 7 + 0.5, name=name)) for seed in (0, 1)]
    result = pmmds.compare(frames[0], frames[1])
    assert result.document == by_files(frames[0], frames[1], tmp_path).document
    assert ("customer" in {f.feature for f in result.features}) is (name is not None)


def test_column_names_are_handled_as_in_a_parquet_file(tmp_path: Path) -> None:
    names = {"plan": "amount", "amount": "Amount", "small": " blanks ", "active": 'quo"te'}
    frames = [rows(seed)[list(names)].rename(columns=names) for seed in (0, 1)]
    result = pmmds.compare(frames[0], frames[1])
    assert result.document == by_files(frames[0], frames[1], tmp_path).document
    assert [f.feature for f in result.features] == ["amount", "Amount", "blanks", 'quo"te']


def test_an_arrow_table_gives_the_same_result_as_the_frame() -> None:
    reference, current = rows(0), rows(1)
    tables = [pa.Table.from_pandas(frame) for frame in (reference, current)]
    assert pmmds.compare(*tables).document == pmmds.compare(reference, current).document


def test_notebooks_display_a_table_with_escaped_values() -> None:
    frames = [
        pd.DataFrame({"<script>x</script>": random.choice(["<i>", "b"], N)})
        for random in map(np.random.default_rng, (0, 1))
    ]
    shown = pmmds.compare(*frames)._repr_html_()
    assert "<table" in shown
    assert "&lt;script&gt;x" in shown
    assert "<script" not in shown
    assert "<i>" not in shown


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame({"a": []}), "reference has no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "reference: duplicate column names: 'a'"),
        (
            pd.DataFrame({"a": ["x", 1, 2.5]}),
            "reference cannot be compared: its column 'a' has values of several types",
        ),
        (
            pd.DataFrame({"b": [1], "a": [10**30]}),
            "reference cannot be compared: its column 'a' has values of several types or of a type that Arrow does not",
        ),
        (pd.DataFrame({"a": ["\ud800"]}), "reference cannot be compared: its column 'a' has values"),
        (
            pd.DataFrame({"b": [1], "a": pd.arrays.SparseArray(np.zeros(1))}),
            "reference cannot be compared: its column 'a' has",
        ),
        (pd.DataFrame(index=range(3)), "reference has no columns"),
        ([1, 2], "reference is a list, not a data frame"),
        (pd.DataFrame({"a": [1], "b": [2]}), "current"),
    ],
    ids=["no rows", "duplicates", "mixed", "large", "surrogate", "sparse", "no columns", "no frame", "missing column"],
)
def test_a_frame_that_cannot_be_compared_is_rejected_in_one_sentence(frame: Any, sentence: str) -> None:
    with pytest.raises(InputFileError, match=sentence) as refused:
        pmmds.compare(frame, pd.DataFrame({"a": [1.0]}))
    assert "\n" not in str(refused.value)
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Pass its words for missing values with --na.", "Pass its words for missing values with FileOptions.na."),
        ("Name it with --score, or use --ignore.", "Name it with the parameter score, or use FileOptions.ignore."),
        ("A column named a--na is no option.", "A column named a--na is no option."),
    ],
)
def test_sentences_name_parameters_instead_of_command_line_options(sentence: str, expected: str) -> None:
    assert as_parameters(sentence) == expected


def test_error_about_mixed_text_names_a_field_of_the_options() -> None:
    mixed = pd.DataFrame({"amount": [*map(str, range(90)), *["unknown word"] * 10]})
    with pytest.raises(InputFileError) as raised:
        pmmds.compare(mixed, mixed)
    assert "FileOptions.na" in str(raised.value)
    assert "--" not in str(raised.value)
