"""The training mix follows the settings, lists the excluded rows, and is deterministic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import load_contract
from pmmds_core.data.reader import row_digests
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.mix import LeftOut, MixSettings, leave_out_old, mix_document, mix_rows, mix_text
from pmmds_core.training.split import SplitPlan, TooFewLabels, TrainingData, split_with_labels

CONTRACT = load_contract("")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_ROWS = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return packaged_generator().sample(2000, seed=1)


@pytest.fixture(scope="module")
def labelled() -> pd.DataFrame:
    return packaged_generator().sample(1000, seed=2)


def split(reference: pd.DataFrame, labelled: pd.DataFrame, mix: MixSettings) -> TrainingData | TooFewLabels:
    plan = SplitPlan(42, 0.2, 0.4, 200, mix)
    return split_with_labels(reference, labelled, NO_ROWS, CONTRACT, plan)


def test_all_rows_that_are_not_held_out_are_used_for_training_by_default(
    reference: pd.DataFrame, labelled: pd.DataFrame
) -> None:
    found = split(reference, labelled, MixSettings())
    assert isinstance(found, TrainingData)
    left = {(x.rows, x.reason.split(" (")[0]): x.n_rows for x in found.left_out}
    same = "have the same content as a held-out row"
    assert set(left) == {("reference", "are the seeded reference holdout"), ("production", same)}
    assert found.n_production_train + left["production", same] == 600
    assert found.n_reference_train + left["reference", "are the seeded reference holdout"] == 2000


def test_rows_above_the_maximum_age_are_in_neither_training_nor_holdout(labelled: pd.DataFrame) -> None:
    ages = np.arange(len(labelled), 0, -1)  # hours, oldest first
    at = np.array([np.datetime64((NOW - timedelta(hours=int(h))).replace(tzinfo=None)) for h in ages])
    kept, left = leave_out_old(labelled, at, NOW, MixSettings(max_age_days=10))
    assert len(kept) == 240
    assert kept.index[0] == 760, "the newest rows are kept in order"
    assert left[0].text == (
        "760 production rows are from before 2026-02-19 12:00 UTC (PMMDS_TRAIN_PRODUCTION_MAX_AGE_DAYS=10)"
    )
    whole, nothing = leave_out_old(labelled, at, NOW, MixSettings())
    assert (len(whole), nothing) == (1000, ())


def test_the_newest_production_rows_are_kept(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    _, kept, left = mix_rows(reference, labelled, CONTRACT.feature_names, 42, MixSettings(max_production_rows=300))
    assert kept.index.tolist() == labelled.index[-300:].tolist()
    assert [(x.rows, x.n_rows) for x in left] == [("production", 700)]


@pytest.mark.parametrize(
    ("share", "minimum", "wanted"),
    [(1.0, 0, 2000), (0.5, 0, 600), (0.25, 0, 200), (0.0, 0, 0), (0.5, 1000, 1000), (0.5, 9000, 2000), (0.9, 0, 2000)],
)
def test_reference_rows_respect_their_maximum_share_and_minimum_number(
    reference: pd.DataFrame, labelled: pd.DataFrame, share: float, minimum: int, wanted: int
) -> None:
    mix = MixSettings(max_reference_share=share, min_reference_rows=minimum)
    kept, production, left = mix_rows(reference, labelled.iloc[:600], CONTRACT.feature_names, 42, mix)
    assert (len(kept), len(production)) == (wanted, 600)
    assert sum(x.n_rows for x in left) == 2000 - wanted
    if 0 < wanted < 2000 and wanted > minimum:
        assert len(kept) / (len(kept) + 600) <= share


def test_the_training_sample_depends_on_the_seed_but_not_on_row_order(
    reference: pd.DataFrame, labelled: pd.DataFrame
) -> None:
    mix = MixSettings(max_reference_share=0.5)

    def chosen(rows: pd.DataFrame, seed: int) -> set[int]:
        kept, _, _ = mix_rows(rows, labelled, CONTRACT.feature_names, seed, mix)
        return set(row_digests(kept, CONTRACT.feature_names).tolist())

    assert chosen(reference, 42) == chosen(reference.sample(frac=1, random_state=3), 42)
    assert chosen(reference, 42) != chosen(reference, 43)
    kept, _, _ = mix_rows(reference, labelled, CONTRACT.feature_names, 42, mix)
    assert kept.index.is_monotonic_increasing, "reference rows keep their order"


def test_the_number_of_reference_rows_is_unlimited_without_production_rows(
    reference: pd.DataFrame, labelled: pd.DataFrame
) -> None:
    kept, _, left = mix_rows(
        reference, labelled.iloc[:0], CONTRACT.feature_names, 42, MixSettings(max_reference_share=0)
    )
    assert (len(kept), left) == (2000, ())


def test_the_remaining_training_rows_must_contain_both_classes(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    older_negative = labelled.assign(churn=[*[0] * 600, *labelled["churn"].iloc[600:]])
    found = split(reference, older_negative, MixSettings(max_reference_share=0))
    assert isinstance(found, TooFewLabels)
    assert "598 remaining training rows" in found.reason
    assert "one class" in found.reason


def test_the_training_mix_text_lists_all_rows_that_were_left_out() -> None:
    left = (LeftOut("production", 1200, "are old"), LeftOut("reference", 3, "are too many"))
    document = mix_document(MixSettings(), NOW, 4000, 500, left)
    assert document["reference_share"] == pytest.approx(8 / 9)
    assert mix_text(document) == (
        "4,000 reference and 500 production rows; left out: 1,200 production rows are old; "
        "3 reference rows are too many"
    )
    assert mix_text(replace_left(document)) == "4,000 reference and 500 production rows"
    assert mix_text({}) == ""


def replace_left(document: dict[str, object]) -> dict[str, object]:
    return {**document, "left_out": []}
