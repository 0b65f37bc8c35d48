"""A rollback accepts or rejects unknown, unused, deleted and differently spelled versions correctly."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import RECORDED
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.assets.test_rollback_and_approval import production, with_v2_promoted
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of


@pytest.fixture
def platform(two_versions_home: Path, tmp_path: Path) -> DagsterPlatform:
    """A platform that promoted v2 after v1."""
    return with_v2_promoted(two_versions_home, tmp_path)


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("2", "v2 is already in production"),
        (" v02", "v2 is already in production"),
        ("99", "has no version '99' in the registry. Registered versions: v2, v1."),
        ("latest", "has no version 'latest'"),
        ("-1", "has no version '-1'"),
        ("٢", "has no version '٢'"),
        ("9" * 30, "has no version '999"),
    ],
)
def test_rollback_to_an_unknown_version_fails_without_moving_the_alias(
    platform: DagsterPlatform, to: str, sentence: str
) -> None:
    d, before = platform.deployment, platform.deployment.decisions.recent()
    with pytest.raises(UsageError, match=sentence):
        roll_back(d, to=to, by="Ada")
    assert production(d) == "2"
    assert d.decisions.recent() == before


def test_a_version_is_recorded_as_the_registry_spells_it(platform: DagsterPlatform) -> None:
    decision = roll_back(platform.deployment, to=" v01 ", by="Ada")
    assert (decision.challenger_version, decision.promotion_reason) == ("1", "Rolled back from v2 to v1 by Ada.")
    assert production(platform.deployment) == "1"


def test_rollback_to_a_version_never_in_production_is_recorded_as_such(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    result = platform.run("train_job", selection=["trained_model"])
    assert result.success, errors_of(result)
    with pytest.raises(UsageError, match="No promotion or rollback recorded the files of v3"):
        roll_back(deployment, to="3", by="Ada")
    decision = roll_back(deployment, to="3", by="Ada", reason="it has to go out.", unrecorded=True)
    assert decision.promotion_reason == (
        "Rolled back from v2 to v3 by Ada: it has to go out. "
        "v3 has no recorded promotion, so its files were not verified."
    )
    assert roll_back(deployment, by="Bo").promotion_reason == "Rolled back from v3 to v2 by Bo."


def test_a_rollback_to_a_deleted_version_changes_nothing(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    deployment.profiles.bundle("1")  # a cached copy is not a registered version
    delete(deployment, "1")
    before = deployment.decisions.recent()
    for to in ("1", ""):
        with pytest.raises(UsageError, match=r"has no version '1' in the registry. Registered versions: v2\."):
            roll_back(deployment, to=to, by="Ada")
    assert (deployment.decisions.recent(), production(deployment)) == (before, "2")


def test_a_specified_version_can_replace_a_deleted_champion(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    delete(deployment, "2")
    with pytest.raises(UsageError, match=r"nothing to roll back\. Specify a registered version"):
        roll_back(deployment, by="Ada")
    decision = roll_back(deployment, to="1", by="Ada")
    assert decision.promotion_reason == "Rolled back from no version to v1 by Ada."
    assert (decision.champion_version, decision.state, production(deployment)) == (None, RECORDED, "1")
    kinds = [x.kind for x in deployment.decisions.recent(2)]
    assert kinds == ["rollback", "manual"], "the deletion of the champion is recorded as a decision"


def delete(deployment: Deployment, version: str) -> None:
    """Delete the version and its aliases in MLflow."""
    with deployment.registry._client() as client:
        client.delete_model_version(deployment.model_name, version)
