"""Which version a rollback goes to: as it was typed, never in production, deleted, with the champion gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import RECORDED
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.assets.test_rollback_and_approval import production, with_v2_promoted
from pmmds_tests.harness.dagster_platform import House, errors_of


@pytest.fixture
def house(two_versions_home: Path, tmp_path: Path) -> House:
    """v2 is in production, v1 was before."""
    return with_v2_promoted(two_versions_home, tmp_path)


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("2", "v2 is in production already"),
        (" v02", "v2 is in production already"),
        ("99", "has no version '99' in the registry. Registered are v2, v1."),
        ("latest", "has no version 'latest'"),
        ("-1", "has no version '-1'"),
        ("٢", "has no version '٢'"),
        ("9" * 30, "has no version '999"),
    ],
)
def test_a_rollback_to_nowhere_is_one_sentence_and_moves_nothing(house: House, to: str, sentence: str) -> None:
    d, before = house.deployment, house.deployment.decisions.recent()
    with pytest.raises(UsageError, match=sentence):
        roll_back(d, to=to, by="Ada")
    assert production(d) == "2"
    assert d.decisions.recent() == before


def test_a_version_is_recorded_as_the_registry_writes_it_however_it_was_typed(house: House) -> None:
    decision = roll_back(house.deployment, to=" v01 ", by="Ada")
    assert (decision.challenger_version, decision.promotion_reason) == ("1", "Rolled back from v2 to v1 by Ada.")
    assert production(house.deployment) == "1"


def test_a_rollback_to_a_version_that_was_never_in_production_says_so(house: House) -> None:
    d = house.deployment
    result = house.run("train_job", selection=["trained_model"])
    assert result.success, errors_of(result)
    with pytest.raises(UsageError, match="No promotion or rollback recorded the files of v3"):
        roll_back(d, to="3", by="Ada")
    decision = roll_back(d, to="3", by="Ada", reason="it has to go out.", unrecorded=True)
    assert decision.promotion_reason == (
        "Rolled back from v2 to v3 by Ada: it has to go out. "
        "v3 was not in production before by a decision; no evidence was asked for."
    )
    assert roll_back(d, by="Bo").promotion_reason == "Rolled back from v3 to v2 by Bo."


def test_a_rollback_to_a_deleted_version_moves_and_records_nothing(house: House) -> None:
    d = house.deployment
    d.profiles.bundle("1")  # a copy on this machine does not make it a version of the registry
    delete(d, "1")
    before = d.decisions.recent()
    for to in ("1", ""):
        with pytest.raises(UsageError, match=r"has no version '1' in the registry. Registered are v2\."):
            roll_back(d, to=to, by="Ada")
    assert (d.decisions.recent(), production(d)) == (before, "2")


def test_after_the_champion_was_deleted_a_named_version_can_be_brought_back(house: House) -> None:
    d = house.deployment
    delete(d, "2")
    with pytest.raises(UsageError, match=r"nothing to take back\. Name a registered version"):
        roll_back(d, by="Ada")
    decision = roll_back(d, to="1", by="Ada")
    assert decision.promotion_reason == "Rolled back from no version to v1 by Ada."
    assert (decision.champion_version, decision.state, production(d)) == (None, RECORDED, "1")
    kinds = [x.kind for x in d.decisions.recent(2)]
    assert kinds == ["rollback", "manual"], "that the champion went is a decision of its own"


def delete(d: Deployment, version: str) -> None:
    """As a person does in MLflow: aliases to the version go with it."""
    with d.registry._client() as client:
        client.delete_model_version(d.model_name, version)
