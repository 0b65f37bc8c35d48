"""The Great Expectations suite and the pandera schema of a contract."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract, parse_contract
from pmmds_core.data.expectations import SuiteResult, run_suite
from pmmds_core.data.pandera_schema import check_frame
from pmmds_core.stores.files.reference_source import packaged_sample

# Importing Great Expectations is slow, so these tests share one worker process.
pytestmark = pytest.mark.xdist_group("expectations")

NULLABLE = """
name: shops
model_name: shops
description: Shops that close.
label: {name: closed, source: closed, positive: "1", negative: "0"}
features:
  - {name: visits, source: visits, kind: numeric, type: integer, minimum: 0, description: A day., example: "3", \
blank: {means: missing}}
  - {name: town, source: town, kind: categorical, type: string, values: [A, B], description: Where., example: A, \
blank: {means: missing}}
"""


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    from pmmds_core.contracts.contract import load_contract

    return packaged_sample(load_contract("")).frame


@pytest.fixture
def nullable_contract() -> Contract:
    return parse_contract(NULLABLE, "shops.yaml")


def nullable_rows() -> pd.DataFrame:
    visits = np.arange(100, dtype=np.float64)
    visits[::10] = np.nan
    towns = np.array(["A", "B", None, "A"] * 25, dtype=object)
    return pd.DataFrame({"visits": visits, "town": towns, "closed": np.arange(100) % 2})


def failed(result: SuiteResult) -> dict[tuple[str, str], str]:
    return {(o.column, o.expected): o.observed for o in result.outcomes if not o.passed}


def test_the_packaged_sample_passes_the_schema_and_the_suite(contract: Contract, sample: pd.DataFrame) -> None:
    schema, suite = check_frame(sample, contract), run_suite(sample, contract)
    assert (schema.passed, schema.n_rows, schema.failures) == (True, len(sample), ())
    assert suite.passed
    assert suite.n_failed == 0
    # Two expectations check the table, three the label and three each feature.
    assert suite.n_expectations == 5 + 3 * len(contract.features)


def test_invalid_values_are_reported_by_column_with_counts(contract: Contract, sample: pd.DataFrame) -> None:
    broken = sample.copy()
    broken.loc[:2, "tenure"] = 500
    broken.loc[4, "contract"] = "Weekly"
    broken.loc[5, "gender"] = None
    suite, schema = run_suite(broken, contract), check_frame(broken, contract)
    failures = failed(suite)
    assert set(failures) == {
        ("tenure", "at least 0 and at most 100 months"),
        ("contract", "one of: Month-to-month, One year, Two year"),
        ("gender", "never missing"),
    }
    assert failures["tenure", "at least 0 and at most 100 months"] == "3 of 7,043 values do not: 500"
    assert failures["contract", "one of: Month-to-month, One year, Two year"] == "1 of 7,043 values do not: 'Weekly'"
    assert {(f.column, f.n_failures, f.examples) for f in schema.failures} == {
        ("tenure", 3, ("500",)),
        ("contract", 1, ("Weekly",)),
        ("gender", 1, ("None",)),
    }


def test_missing_or_extra_or_reordered_columns_fail_both_checks(contract: Contract, sample: pd.DataFrame) -> None:
    moved = sample[[*sample.columns[1:], sample.columns[0]]]
    for broken in (sample.drop(columns="tenure"), sample.assign(extra=1), moved):
        assert not check_frame(broken, contract).passed
        assert not run_suite(broken, contract).passed
    failures = check_frame(sample.drop(columns="tenure").assign(extra=1), contract).failures
    assert {(f.column, f.check) for f in failures} == {
        ("tenure", "column_in_dataframe"),
        ("extra", "column_in_schema"),
    }


def test_a_column_of_the_wrong_type_fails_both_checks(contract: Contract, sample: pd.DataFrame) -> None:
    as_text = sample.assign(monthly_charges=sample["monthly_charges"].astype(str))
    assert ("monthly_charges", "dtype('float64')") in {
        (f.column, f.check) for f in check_frame(as_text, contract).failures
    }
    assert ("monthly_charges", "of type float64") in failed(run_suite(as_text, contract))


def test_labels_of_a_single_class_fail_the_suite(contract: Contract, sample: pd.DataFrame) -> None:
    assert set(failed(run_suite(sample.assign(churn=0), contract))) == {
        ("churn", "each class in at least 1% of the rows")
    }


def test_only_nullable_features_may_have_missing_values(nullable_contract: Contract) -> None:
    rows = nullable_rows()
    assert check_frame(rows, nullable_contract).passed
    assert run_suite(rows, nullable_contract).passed
    rows.loc[:80, "visits"] = np.nan
    assert set(failed(run_suite(rows, nullable_contract))) == {("visits", "not missing in at least 50% of the rows")}
    rows.loc[99, "visits"] = 2.5
    assert [(f.column, f.check) for f in check_frame(rows, nullable_contract).failures] == [("visits", "whole_numbers")]


def test_the_schema_check_accepts_rows_without_the_label(contract: Contract, sample: pd.DataFrame) -> None:
    assert check_frame(sample.drop(columns="churn"), contract).passed


def test_the_validation_page_is_self_contained_and_escapes_values(contract: Contract, sample: pd.DataFrame) -> None:
    broken = sample.copy()
    broken.loc[0, "contract"] = "<script>alert(1)</script>"
    suite = run_suite(broken, contract)
    assert "<script" not in suite.html
    assert "&lt;script&gt;" in suite.html
    assert re.findall(r"(?:src|href)=|https?://|@import", suite.html) == []
    assert "1 of 62 expectations is not met" in suite.html
    assert suite.html.index("not met</td>") < suite.html.index(">met</td>")


def test_the_suite_document_is_valid_json(contract: Contract, sample: pd.DataFrame) -> None:
    document = json.loads(json.dumps(run_suite(sample, contract).document, allow_nan=False))
    assert document["success"] is True
    assert document["statistics"]["evaluated_expectations"] == 62


def test_the_suite_writes_no_files_and_no_progress_output(
    contract: Contract,
    sample: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    started = time.process_time()  # CPU time excludes the time of other processes.
    run_suite(sample, contract)
    assert time.process_time() - started < 20
    assert list(tmp_path.rglob("*")) == []
    assert capfd.readouterr() == ("", "")
