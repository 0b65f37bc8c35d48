"""A version that got the alias in MLflow directly stays unrecorded, even after promotions and rollbacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.errors import UsageError
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.workflows.champion import champion_of
from pmmds_core.workflows.promotion import record_external_alias_change
from pmmds_core.workflows.rollback import decide_rollback, roll_back
from pmmds_tests.assets.test_rollback_and_approval import production, with_v2_promoted
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of


@pytest.fixture
def platform(two_versions_home: Path, tmp_path: Path) -> DagsterPlatform:
    """A platform that promoted v2 after v1, before the alias was moved to v3 in MLflow directly."""
    platform = with_v2_promoted(two_versions_home, tmp_path)
    result = platform.run("train_job", selection=["trained_model"])
    assert result.success, errors_of(result)
    deployment = platform.deployment
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "3")
    record_external_alias_change(deployment.decisions, deployment.registry)
    return platform


def test_a_rollback_skips_an_unrecorded_version(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    assert deployment.decisions.recorded_digest("3") is None
    assert roll_back(deployment, by="Ada").challenger_version == "2"


def test_rollbacks_skip_an_unrecorded_version_after_a_promotion(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    roll_back(deployment, to="1", by="Ada")  # this version is recorded, but its predecessor v3 is not
    with pytest.raises(UsageError, match="recorded the files of v3"):
        decide_rollback(deployment, to="3", by=AUTOMATIC_ROLLBACK, instead_of="1", unrecorded=True)
    with pytest.raises(UsageError, match="recorded the files of v3"):
        roll_back(deployment, to="3", by="Ada")
    assert production(deployment) == "1"
    with pytest.raises(UsageError, match="v1 has no predecessor with recorded files"):
        roll_back(deployment, by="Ada")
    assert deployment.decisions.recorded_digest("3") is None


def test_the_champion_is_recorded_if_records_are_required(platform: DagsterPlatform, tmp_path: Path) -> None:
    deployment = platform.deployment
    strict = DagsterPlatform.build(deployment.settings.home_path, PMMDS_MODEL_VERIFICATION="require_record").deployment
    assert champion_of(strict) == deployment.registry.get_version(deployment.model_name, "2")
    found = champion_of(deployment)
    assert found is not None
    assert found.version == "3", "by default it is served with a warning"
