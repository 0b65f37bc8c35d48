"""Row keys distinguish customers whose rows are equal because the contract has few features."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.data.row_identity import (
    BY_CONTENT,
    BY_OCCURRENCE,
    REQUEST_ID,
    digests_of,
    identity_of,
    keys_of,
    with_production_keys,
    with_reference_keys,
)
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.mix import MixSettings
from pmmds_core.training.split import TrainingData, check_leakage, split_reference, split_with_labels
from pmmds_tests.core.training.test_split import NO_ROWS, PLAN

TELCO = load_contract("")


@pytest.fixture(scope="module")
def few() -> Contract:
    """The Telco contract reduced to two features, which allow at most twelve distinct rows."""
    names = ("internet_service", "contract")
    return msgspec.structs.replace(TELCO, features=tuple(f for f in TELCO.features if f.name in names))


def sample(contract: Contract, n_rows: int, seed: int) -> pd.DataFrame:
    return packaged_generator().sample(n_rows, seed)[[*contract.feature_names, contract.label.name]]


def answered(contract: Contract, n_rows: int, seed: int) -> pd.DataFrame:
    """Return labeled rows with request ids."""
    return sample(contract, n_rows, seed).assign(**{REQUEST_ID: [f"r{i}" for i in range(n_rows)]})


def keyed(frame: pd.DataFrame) -> pd.DataFrame:
    return with_production_keys(frame).drop(columns=REQUEST_ID)


def shares(frame: pd.DataFrame, contract: Contract) -> pd.Series[float]:
    return frame.groupby(list(contract.feature_names)).size() / len(frame)


def test_rows_are_identified_by_content_unless_too_many_are_equal(few: Contract) -> None:
    assert identity_of(packaged_generator().sample(2000, 1), TELCO) == BY_CONTENT
    assert identity_of(sample(few, 2000, 1), few) == BY_OCCURRENCE
    assert identity_of(sample(few, 10, 1).iloc[:0], few) == BY_CONTENT


def test_the_reference_split_is_representative_despite_duplicate_rows(few: Contract) -> None:
    reference = sample(few, 3000, 1)
    split = split_reference(with_reference_keys(reference, few), NO_ROWS, few, PLAN)
    assert 0.17 < len(split.holdout) / 3000 < 0.23
    assert (shares(split.train, few) - shares(reference, few)).abs().max() < 0.02
    by_content = split_reference(reference, NO_ROWS, few, PLAN)
    assert len(shares(by_content.train, few)) < len(shares(reference, few)), (
        "a split by content removes all rows of some kinds from training"
    )
    assert check_leakage(split.holdout, keys_of(split.train, few.feature_names), NO_ROWS, few).is_clean


def test_reordering_or_adding_rows_does_not_change_the_split(few: Contract) -> None:
    reference = sample(few, 2000, 1)
    held = set(split_reference(with_reference_keys(reference, few), NO_ROWS, few, PLAN).holdout.index)
    shuffled = with_reference_keys(reference.sample(frac=1, random_state=3), few)
    assert set(split_reference(shuffled, NO_ROWS, few, PLAN).holdout.index) == held
    longer = with_reference_keys(pd.concat([reference, sample(few, 500, 9)]), few)
    assert held <= set(split_reference(longer, NO_ROWS, few, PLAN).holdout.index)


def test_a_retraining_holds_out_the_newest_rows_despite_duplicate_rows(few: Contract) -> None:
    reference = with_reference_keys(sample(few, 2000, 1), few)
    champion = keys_of(split_reference(reference, NO_ROWS, few, PLAN).train, few.feature_names)
    rows = answered(few, 900, 2)
    first = split_with_labels(reference, keyed(rows[:600]), champion, few, PLAN)
    assert isinstance(first, TrainingData)
    assert (first.n_new_labels, len(first.holdout), first.n_production_train) == (600, 240, 360)
    challenger = keys_of(first.train, few.feature_names)
    assert check_leakage(first.holdout, challenger, champion, few).is_clean
    # The challenger is now the champion, so only its training rows are excluded from the holdout.
    second = split_with_labels(reference, keyed(rows), challenger, few, PLAN)
    assert isinstance(second, TrainingData)
    assert second.n_new_labels == 900 - 360
    assert check_leakage(second.holdout, keys_of(second.train, few.feature_names), challenger, few).is_clean
    leaked = check_leakage(second.holdout, keys_of(second.holdout.iloc[:7], few.feature_names), challenger, few)
    assert (leaked.n_in_challenger_training, leaked.is_clean) == (7, False)


def test_sampling_reference_rows_by_key_preserves_their_distribution(few: Contract) -> None:
    reference = with_reference_keys(sample(few, 3000, 1), few)
    plan = replace(PLAN, mix=MixSettings(max_reference_share=0.5))
    labelled = keyed(answered(few, 1000, 2))
    split = split_with_labels(reference, labelled, NO_ROWS, few, plan)
    assert isinstance(split, TrainingData)
    assert split.n_reference_train == split.n_production_train == 600
    assert (shares(split.train.iloc[:600], few) - shares(reference, few)).abs().max() < 0.05


def test_a_corrected_label_does_not_change_the_row_key(few: Contract) -> None:
    rows = answered(few, 50, 2)
    corrected = rows.assign(**{few.label.name: 1 - rows[few.label.name]})
    assert keyed(rows).index.equals(keyed(corrected).index)
    assert keyed(rows).index.is_unique


def test_row_keys_are_read_only_from_valid_numpy_files() -> None:
    def saved(array: np.ndarray[Any, Any]) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    keys = np.array([1, -5, 2**62], dtype=np.int64)
    content = saved(keys)
    assert np.array_equal(digests_of(content), keys)  # type: ignore[arg-type]
    huge = content.replace(b"(3,)", b"(99999999999,)")
    for bad in (b"", b"PK\x03\x04junk", content[:-1], content[:20], huge, saved(keys.astype(float)), saved(keys[:0])):
        assert digests_of(bad) is None
    assert digests_of(saved(keys.reshape(1, 3))) is None
