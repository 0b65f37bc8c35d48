"""Some faults must prevent a promotion and others must not, on a platform with a real registry."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from pmmds_assets.sensors import drift_alert_sensor
from pmmds_core.deployment import Deployment
from pmmds_core.models.bundle import GOLDEN, MANIFEST, SCORER, load_bundle, write_bundle
from pmmds_core.models.portable_scorer import LogisticScorer, dump_scorer, load_scorer
from pmmds_core.stores.database.tables import production_pointer, promotion_decisions
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.assets.test_rollback_and_approval import decide, production
from pmmds_tests.harness.dagster_platform import DagsterPlatform, assets_made, copy_of, errors_of


@pytest.fixture
def platform(trained_home: Path, tmp_path: Path) -> DagsterPlatform:
    """A platform with its first model in production."""
    return copy_of(trained_home, tmp_path, PMMDS_RETRAIN_COOLDOWN_MINUTES="0.001")


def registered_folder(deployment: Deployment, version: str) -> Path:
    run_id = deployment.registry.get_version(deployment.model_name, version).run_id
    (path,) = (deployment.settings.home_path / "mlartifacts").rglob(f"{run_id}/artifacts/bundle/{MANIFEST}")
    return path.parent


def forget_copies(deployment: Deployment) -> None:
    """Delete this machine's cached bundles, which were verified when they were downloaded."""
    for path in sorted((deployment.settings.home_path / "profiles").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / SCORER).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / SCORER).write_bytes(content)


def exchange_whole(folder: Path) -> None:
    """Replace the bundle with another scorer, matching golden predictions and a matching manifest."""
    bundle = load_bundle(folder)
    scorer = load_scorer((folder / SCORER).read_bytes())
    assert isinstance(scorer, LogisticScorer)
    other = msgspec.structs.replace(scorer, intercept=scorer.intercept + 1.0)
    golden = msgspec.json.decode((folder / GOLDEN).read_bytes())
    golden["probabilities"] = other.probabilities([tuple(row) for row in golden["rows"]])
    files = {name: (folder / name).read_bytes() for name in bundle.manifest.files}
    files |= {SCORER: dump_scorer(other), GOLDEN: msgspec.json.encode(golden)}
    write_bundle(folder, files, bundle.manifest)


@pytest.mark.parametrize(
    ("alter", "said"),
    [(flip_a_byte, "does not match its sha256"), (exchange_whole, "have changed since they were registered")],
    ids=["a byte", "the whole bundle, consistently"],
)
def test_a_challenger_with_altered_files_is_not_evaluated(platform: DagsterPlatform, alter: Any, said: str) -> None:
    deployment = platform.deployment
    alter(registered_folder(deployment, "1"))
    forget_copies(deployment)
    before = deployment.decisions.recent()
    result = platform.run("train_job", selection=["model_evaluation", "promotion_decision", "production_model"])
    assert not result.success
    assert said in errors_of(result)[0]
    assert "promotion_decision" not in assets_made(result)
    assert deployment.decisions.recent() == before
    assert production(deployment) == "1"


def test_labels_of_one_class_block_training_and_keep_the_alert_open(platform: DagsterPlatform) -> None:
    contract = platform.deployment.contract
    rows = traffic_rows(packaged_generator(), contract, 800, "migration", seed=5).frame
    platform.log_rows(rows.assign(**{contract.label.name: 0}), "m")
    assert platform.run("monitor_job", tags=platform.window_tags()).success
    request = platform.wait_for_request(drift_alert_sensor)
    result = platform.run("retrain_job", tags=dict(request.tags))
    assert result.success, errors_of(result)
    assert "trained_model" not in assets_made(result)
    run = platform.deployment.retrainings.of_run(result.run_id)
    assert run is not None
    assert run.outcome == "blocked_no_labels"
    assert "one class" in run.reason
    assert len(platform.deployment.alerts.open_alerts()) == 1
    assert production(platform.deployment) == "1"


def test_the_next_model_is_a_first_model_after_the_champion_is_deleted(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    with deployment.registry._client() as client:
        client.delete_model_version(deployment.model_name, "1")
    result = platform.run("train_job")
    assert result.success, errors_of(result)
    decision = deployment.decisions.recent(1)[0]
    assert (decision.challenger_version, decision.champion_version, decision.state) == ("2", None, "recorded")
    assert production(deployment) == "2"
    kinds = [x.kind for x in deployment.decisions.recent()]
    assert kinds == ["promotion", "manual", "promotion"], "the deletion of the champion is recorded as a decision"


@pytest.mark.slow
def test_setting_the_clock_back_does_not_reorder_promotions(platform: DagsterPlatform) -> None:
    """If the clock is set back by an hour, earlier decisions have timestamps in the future."""
    deployment = platform.deployment
    assert platform.run("train_job").success
    promote(deployment, "2", "1")
    assert production(deployment) == "2"
    hour = timedelta(hours=1)
    with deployment.database.begin() as connection:
        for row in connection.execute(sa.select(promotion_decisions)).mappings().all():
            later = {name: row[name] + hour for name in ("decided_at", "moved_at") if row[name] is not None}
            own = promotion_decisions.c.decision_id == row["decision_id"]
            connection.execute(sa.update(promotion_decisions).where(own).values(later))
        pointed = connection.execute(sa.select(production_pointer.c.moved_at)).scalar_one()
        connection.execute(sa.update(production_pointer).values(moved_at=pointed + hour))
    assert platform.run("train_job").success
    promote(deployment, "3", "2")
    assert production(deployment) == "3"
    assert roll_back(deployment, by="Ada").challenger_version == "2"
    assert roll_back(deployment, by="Ada").challenger_version == "1"
    assert deployment.decisions.unfinished() == []
    platform.log_rows(traffic_rows(packaged_generator(), deployment.contract, 1200, "migration", seed=5).frame, "m")
    assert platform.run("monitor_job", tags=platform.window_tags()).success
    request = platform.wait_for_request(drift_alert_sensor)
    retrained = platform.run("retrain_job", tags=dict(request.tags))
    assert retrained.success, errors_of(retrained)
    decision = deployment.decisions.of_run(retrained.run_id)
    assert decision is not None
    assert decision.champion_version == "1"
    assert production(deployment) == ("4" if decision.promoted else "1")


def promote(deployment: Deployment, challenger: str, champion: str) -> None:
    from pmmds_core.workflows.promotion import put_into_production

    if production(deployment) == champion:
        put_into_production(decide(deployment, challenger, champion), deployment.decisions, deployment.registry)
