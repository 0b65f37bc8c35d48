"""Differences between two contracts, and how a migration applies them to a database with rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Blank, Contract, Feature, load_contract
from pmmds_core.contracts.contract_changes import Effect, contract_changes
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate


@pytest.fixture
def old() -> Contract:
    return load_contract("")


def changed(contract: Contract, name: str, **values: Any) -> Contract:
    features = tuple(msgspec.structs.replace(f, **values) if f.name == name else f for f in contract.features)
    return msgspec.structs.replace(contract, features=features)


def added(contract: Contract) -> Contract:
    feature = Feature(name="age", source="Age", kind="numeric", type="integer", description="Age.", example="40")
    return msgspec.structs.replace(contract, features=(*contract.features, feature))


def test_equal_contracts_have_no_differences(old: Contract) -> None:
    assert contract_changes(old, msgspec.structs.replace(old)) == []


def test_a_new_feature_is_migrated_and_a_removed_feature_is_rejected(old: Contract) -> None:
    (new,) = contract_changes(old, added(old))
    (removed,) = contract_changes(added(old), old)
    assert (new.subject, new.effect) == ("age", Effect.MIGRATED)
    assert (removed.subject, removed.effect) == ("age", Effect.REFUSED)


def test_a_type_change_is_rejected_and_a_range_change_requires_retraining(old: Contract) -> None:
    (typed,) = contract_changes(old, changed(old, "tenure", type="float"))
    (ranged,) = contract_changes(old, changed(old, "tenure", maximum=200.0))
    assert (typed.effect, ranged.effect) == (Effect.REFUSED, Effect.RETRAIN)
    assert ranged.change == "maximum 100 → 200"


def test_added_and_removed_values_are_listed(old: Contract) -> None:
    (values,) = contract_changes(old, changed(old, "contract", values=("Month-to-month", "One year", "Three year")))
    assert values.change == "values +'Three year', -'Two year'"


def test_a_change_of_a_digit_or_of_a_word_for_blank_is_shown(old: Contract) -> None:
    before, after = (changed(old, "tenure", maximum=limit) for limit in (1_000_000.0, 1_000_001.0))
    assert [c.change for c in contract_changes(before, after)] == ["maximum 1000000 → 1000001"]
    before, after = (changed(old, "tenure", blank=Blank("missing", words)) for words in (("NA",), ("NA", "?")))
    (blank,) = contract_changes(before, after)
    assert blank.change == "blank 'missing' (written as 'NA') → 'missing' (written as 'NA', '?')"


def test_contracts_of_different_digests_have_differences(old: Contract) -> None:
    label = msgspec.structs.replace(old.label, description="Left.")
    for new in (
        msgspec.structs.replace(old, description="Churn."),
        msgspec.structs.replace(old, label=label),
        msgspec.structs.replace(old, openml=None),
    ):
        assert (new.digest == old.digest) == (contract_changes(old, new) == [])


def test_a_changed_unit_requires_no_action(old: Contract) -> None:
    (text,) = contract_changes(old, changed(old, "tenure", unit="weeks"))
    assert text.effect is Effect.NONE


def test_the_migration_adds_and_reports_the_new_column(old: Contract, tmp_path: Path) -> None:
    database = open_database(Settings(home=str(tmp_path)))
    migrate(database, old)
    assert migrate(database, added(old)) == ["Added 1 column to prediction_logs: age."]
