"""Holdout rows are never used for training, and a retraining is evaluated on the newest labeled rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import load_contract
from pmmds_core.data.reader import row_digests
from pmmds_core.errors import TrainingError
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.split import (
    SplitPlan,
    TooFewLabels,
    TrainingData,
    check_leakage,
    in_holdout,
    split_reference,
    split_with_labels,
)

CONTRACT = load_contract("")
PLAN = SplitPlan(seed=42, reference_holdout_share=0.2, production_holdout_share=0.4, min_labels=200)
NO_ROWS = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return packaged_generator().sample(2000, seed=1)


@pytest.fixture(scope="module")
def labelled() -> pd.DataFrame:
    return packaged_generator().sample(600, seed=2)


def digests(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return row_digests(frame, CONTRACT.feature_names)


def retraining(reference: pd.DataFrame, labelled: pd.DataFrame, champion: pd.DataFrame) -> TrainingData:
    split = split_with_labels(reference, labelled, digests(champion), CONTRACT, PLAN)
    assert isinstance(split, TrainingData)
    return split


def test_the_reference_split_is_seeded_and_close_to_its_target_share(reference: pd.DataFrame) -> None:
    split = split_reference(reference, NO_ROWS, CONTRACT, PLAN)
    assert 0.16 < len(split.holdout) / len(reference) < 0.24
    assert not set(digests(split.train)) & set(digests(split.holdout))


def test_the_split_of_a_row_does_not_depend_on_row_order_or_other_rows(reference: pd.DataFrame) -> None:
    alone = split_reference(reference, NO_ROWS, CONTRACT, PLAN)
    shuffled = split_reference(reference.sample(frac=0.5, random_state=3), NO_ROWS, CONTRACT, PLAN)
    assert set(digests(shuffled.holdout)) <= set(digests(alone.holdout))


def test_a_different_seed_gives_a_different_split(reference: pd.DataFrame) -> None:
    first, second = (in_holdout(digests(reference), seed, 0.2) for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_a_retraining_is_evaluated_on_the_newest_labeled_rows(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    champion = split_reference(reference, NO_ROWS, CONTRACT, PLAN).train
    split = retraining(reference, labelled, champion)
    assert split.holdout_kind == "production"
    new = [d for d in digests(labelled).tolist() if d not in set(digests(champion).tolist())]
    assert split.n_new_labels == len(new)
    assert digests(split.holdout).tolist() == new[-round(0.4 * len(new)) :]
    assert check_leakage(split.holdout, digests(split.train), digests(champion), CONTRACT).is_clean


def test_duplicate_rows_are_not_in_both_training_and_holdout(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    twice = pd.concat([labelled, labelled.iloc[:50]], ignore_index=True)
    split = retraining(reference, twice, reference.iloc[:0])
    assert not set(digests(split.train)) & set(digests(split.holdout))
    assert split.n_dropped_duplicates == 50


def test_training_rows_of_the_champion_are_not_held_out(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    known = labelled.iloc[-100:]
    split = retraining(reference, labelled, known)
    assert not set(digests(split.holdout)) & set(digests(known))


def test_too_few_new_labels_are_reported_with_their_number(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    split = split_with_labels(reference, labelled.iloc[:199], NO_ROWS, CONTRACT, PLAN)
    assert isinstance(split, TooFewLabels)
    assert (split.n_new_labels, split.min_labels) == (199, 200)


def test_the_newest_labeled_rows_must_contain_both_classes(reference: pd.DataFrame, labelled: pd.DataFrame) -> None:
    split = split_with_labels(reference, labelled.assign(churn=0), NO_ROWS, CONTRACT, PLAN)
    assert isinstance(split, TooFewLabels)
    assert "one class" in split.reason


def test_too_few_newest_rows_of_a_class_are_reported_before_training(
    reference: pd.DataFrame, labelled: pd.DataFrame
) -> None:
    few = labelled.assign(churn=[*[0] * (len(labelled) - 9), *[1] * 9])
    split = split_with_labels(reference, few, NO_ROWS, CONTRACT, PLAN)
    assert isinstance(split, TooFewLabels)
    assert "9 positive" in split.reason
    assert "10 of each class" in split.reason


def test_leaked_holdout_rows_are_counted_for_both_models(reference: pd.DataFrame) -> None:
    holdout, leaked = reference.iloc[:100], reference.iloc[90:120]
    check = check_leakage(holdout, digests(leaked), digests(reference.iloc[:5]), CONTRACT)
    assert (check.n_in_challenger_training, check.n_in_champion_training) == (10, 5)
    assert not check.is_clean


def test_a_reference_without_a_valid_holdout_is_rejected(reference: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="both classes"):
        split_reference(reference.iloc[:3], NO_ROWS, CONTRACT, PLAN)
