"""A running service beside the promotions' own database: files that were altered after their promotion are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmmds_core.errors import PromotionConflictError
from pmmds_core.models.bundle import GOLDEN, MANIFEST
from pmmds_core.policies.decision import FILES_CHANGED
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.xdist_group("trusted")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> DagsterPlatform:
    """Version 1 was promoted by train_job; version 2 is registered only."""
    home = tmp_path_factory.mktemp("trusted")
    for seed in ("42", "7"):
        built = DagsterPlatform.build(home, PMMDS_TRAIN_SEED=seed, PMMDS_PROMOTION_MIN_IMPROVEMENT="0.5")
        result = built.run("train_job")
        assert result.success, errors_of(result)
    assert built.deployment.production_version().version == "1"
    return built


@pytest.fixture(scope="module")
def strict(platform: DagsterPlatform) -> Iterator[RunningService]:
    """A service that serves recorded versions only, on the database that has the records."""
    environment = service_environment(platform.deployment.settings.home_path, platform.deployment.registry.tracking_uri)
    with running_service({**environment, "PMMDS_MODEL_VERIFICATION": "require_record"}) as service:
        yield service


def parts(service: RunningService) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/healthz").json()["parts"]
    return found


def metric(service: RunningService, name: str) -> float:
    return float(service.client.get("/metrics/json").json()[name]["samples"][0]["value"])


def bundle_of(platform: DagsterPlatform, version: str) -> Path:
    deployment = platform.deployment
    run_id = deployment.registry.get_version(deployment.model_name, version).run_id
    (path,) = (deployment.settings.home_path / "mlartifacts").rglob(f"{run_id}/artifacts/bundle")
    return path


def test_a_promotion_records_the_digest_of_its_files_and_the_service_serves_them(
    platform: DagsterPlatform, strict: RunningService
) -> None:
    deployment = platform.deployment
    manifest = (bundle_of(platform, "1") / MANIFEST).read_bytes()
    assert deployment.decisions.recorded_digest("1") == hashlib.sha256(manifest).hexdigest()
    assert deployment.decisions.recorded_digest("2") is None
    assert (parts(strict)["model"]["version"], parts(strict)["model"]["verification"]) == ("1", "recorded")
    assert (metric(strict, "pmmds_model_recorded"), metric(strict, "pmmds_model_refused")) == (1, 0)


def test_an_alias_moved_by_hand_to_a_version_without_a_record_is_refused_until_somebody_signs_for_it(
    platform: DagsterPlatform, strict: RunningService
) -> None:
    deployment = platform.deployment
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "2")
    wait_until(lambda: "no promotion record" in parts(strict)["registry"]["problem"])
    assert strict.serves("1")
    assert metric(strict, "pmmds_model_refused") == 1
    wait_until(lambda: '"event":"model_watch_problem"' in strict.output.replace(": ", ":"))

    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")
    wait_until(lambda: parts(strict)["registry"]["problem"] == "")
    roll_back(deployment, to="2", by="Ada", reason="looked at its files", unrecorded=True)
    wait_until(lambda: strict.serves("2"))
    assert parts(strict)["model"]["verification"] == "recorded"
    roll_back(deployment, to="1", by="Ada")
    wait_until(lambda: strict.serves("1"))


def alter(bundle: Path) -> dict[Path, bytes]:
    """Change a file and the manifest with it, as somebody would who can write to the artifact store; what was there."""
    files = {path: path.read_bytes() for path in (bundle / MANIFEST, bundle / GOLDEN)}
    golden = files[bundle / GOLDEN] + b" "
    manifest = msgspec.json.decode(files[bundle / MANIFEST])
    manifest["files"][GOLDEN] = hashlib.sha256(golden).hexdigest()
    (bundle / GOLDEN).write_bytes(golden)
    (bundle / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return files


def test_files_altered_after_their_promotion_are_neither_served_nor_promoted_again(
    platform: DagsterPlatform, tmp_path: Path
) -> None:
    deployment = platform.deployment
    before = alter(bundle_of(platform, "1"))
    try:
        environment = service_environment(tmp_path / "fresh", deployment.registry.tracking_uri)
        database = (
            f"sqlite:///{deployment.settings.home_path / 'pmmds.db'}"  # the records; a home that has fetched nothing
        )
        with running_service({**environment, "PMMDS_DATABASE_URL": database}, ready="/livez") as service:
            wait_until(lambda: "not those that were promoted" in parts(service)["registry"]["problem"])
            assert service.status_of("/ready") == 503
            assert metric(service, "pmmds_model_refused") == 1
        deployment.registry.move_alias(deployment.model_name, PRODUCTION, "2")
        with pytest.raises(PromotionConflictError, match=FILES_CHANGED):
            roll_back(deployment, to="1", by="Ada")
        assert deployment.production_version().version == "2"
    finally:
        for path, content in before.items():
            path.write_bytes(content)
        deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")
