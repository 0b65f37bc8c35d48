"""Contracts inferred from files with local numbers, dates as numbers, unusual labels and ranges far from 0."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contract_inference.draft import ColumnDraft, ContractDraft
from pmmds_core.contract_inference.infer import InferenceOptions, infer_contract
from pmmds_core.contract_inference.numeric import slack_range
from pmmds_core.data.reader import read_source
from pmmds_core.errors import InputFileError

N = 120
ONE_IN_THREE = np.arange(N) % 3 == 0
LABEL = np.where(ONE_IN_THREE, "yes", "no")
SIZE = np.round(np.random.default_rng(7).normal(size=N), 3)


def inferred(folder: Path, separator: str = ",", label: object = LABEL, **columns: object) -> ContractDraft:
    """Infer a contract from a CSV file of these columns and a label, and read the file with the contract."""
    path = folder / "odd.csv"
    pd.DataFrame({"size": SIZE, **columns, "y": label}).to_csv(path, sep=separator, index=False)
    draft = infer_contract(path, "y", InferenceOptions())
    assert read_source(path, draft.contract).n_rows == N
    return draft


def column(draft: ContractDraft, name: str) -> ColumnDraft:
    return next(c for c in draft.columns if c.source == name)


def test_thousands_of_a_file_with_decimal_commas_are_whole_numbers(tmp_path: Path) -> None:
    values = np.arange(N) * 37 % 5000 + 600
    sales = [f"{n:,}".replace(",", ".") for n in values]
    sizes = [f"{x}".replace(".", ",") for x in SIZE]
    draft = inferred(tmp_path, ";", size=sizes, sales=sales)
    feature = draft.contract.by_name["sales"]
    assert feature.type == "integer"
    assert feature.minimum == 0
    assert feature.maximum == pytest.approx(2 * values.max() - values.min(), rel=0.1)
    assert read_source(tmp_path / "odd.csv", draft.contract).frame["sales"].tolist() == values.tolist()


def test_thousands_separators_that_no_other_column_explains_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    pd.DataFrame({"pay": [f"{n:,}" for n in 1000 + np.arange(N) * 7], "y": LABEL}).to_csv(path, index=False)
    with pytest.raises(InputFileError, match=r"ambiguous: '(\d),(\d{3})' is \1\2 or \1\.") as raised:
        infer_contract(path, "y", InferenceOptions())
    assert "--categorical" in raised.value.next_step
    assert "--numeric" not in raised.value.next_step


def test_days_written_as_eight_digits_are_left_out(tmp_path: Path) -> None:
    days = [f"{date(2024, 1, 1) + timedelta(days=i % 80):%Y%m%d}" for i in range(N)]
    draft = inferred(tmp_path, opened=days, code=[f"2024{i % 40:04}" for i in range(N)])
    assert column(draft, "opened").evidence == "dates written like 20240101, which always differ between files"
    assert "code" in draft.contract.by_name


def test_durations_in_parquet_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    waits = pd.to_timedelta(np.arange(N) % 50, unit="s")
    pd.DataFrame({"size": SIZE, "wait": waits, "y": LABEL}).to_parquet(path)
    draft = infer_contract(path, "y", InferenceOptions())
    assert column(draft, "wait").evidence == "durations, which are not numbers"


def test_leading_zeros_are_mentioned_in_the_evidence(tmp_path: Path) -> None:
    draft = inferred(tmp_path, zip=[f"{i % 40 + 501:05}" for i in range(N)])
    assert "some with leading zeros like '00501'" in column(draft, "zip").evidence


@pytest.mark.parametrize(
    ("one", "zero"), [("+", "-"), ("2", "1"), ("1", "-1"), ("1,0", "0,0"), ("some", "none"), ("bad", "good")]
)
def test_the_rarer_or_usual_class_is_class_1(tmp_path: Path, one: str, zero: str) -> None:
    draft = inferred(tmp_path, ";", label=np.where(ONE_IN_THREE, one, zero))
    assert (draft.contract.label.positive, draft.contract.label.negative) == (one, zero)
    assert draft.label.positive_share == pytest.approx(ONE_IN_THREE.mean())


def test_a_word_for_a_missing_value_is_no_third_class(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="have no label"):
        inferred(tmp_path, label=np.where(np.arange(N) == 5, "-", LABEL))


@pytest.mark.parametrize(
    ("low", "high"),
    [(1_600_000_000_000, 1_600_000_000_490), (1e15, 1e15 + 0.5), (-1e9 - 3, -1e9), (7.3, 7.4), (0, 1e-320), (3, 4)],
)
def test_the_range_has_the_observed_values(low: float, high: float) -> None:
    least, most = slack_range(low, high)
    assert least <= low < high <= most


def test_timestamps_in_milliseconds_are_in_their_range(tmp_path: Path) -> None:
    at = 1_600_000_000_000 + np.arange(N) % 50 * 10
    feature = inferred(tmp_path, at=at).contract.by_name["at"]
    assert feature.minimum == 0
    assert feature.maximum == at.max() + (at.max() - at.min())


@pytest.mark.filterwarnings("error")
def test_numbers_at_both_ends_of_the_range_of_floats_cause_no_warning(tmp_path: Path) -> None:
    values = np.where(np.arange(N) == 3, 1e308, np.where(np.arange(N) == 4, -1e308, np.arange(N)))
    assert "far" in inferred(tmp_path, far=values).contract.by_name


def test_names_of_system_columns_of_postgresql_get_a_suffix(tmp_path: Path) -> None:
    draft = inferred(tmp_path, xmin=np.arange(N) % 7, xmax=np.arange(N) % 11)
    assert {"xmin_value", "xmax_value"} <= set(draft.contract.feature_names)
