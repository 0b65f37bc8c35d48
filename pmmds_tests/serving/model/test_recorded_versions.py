"""A service that uses the database of promotions rejects files that changed after their promotion."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PromotionConflictError
from pmmds_core.models.bundle import GOLDEN, MANIFEST
from pmmds_core.policies.decision import FILES_CHANGED
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.trained_versions import trained

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.xdist_group("recorded")]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A registry in which train_job promoted version 1, and version 2 is only registered."""
    common = {"PMMDS_PROMOTION_MIN_IMPROVEMENT": "0.5"}
    runs = ({"PMMDS_TRAIN_SEED": seed, **common} for seed in ("42", "7"))
    deployment = trained(tmp_path_factory.mktemp("recorded"), *runs)
    assert deployment.production_version().version == "1"
    return deployment


@pytest.fixture(scope="module")
def strict(deployment: Deployment) -> Iterator[RunningService]:
    """A service that requires promotion records and uses the database that contains them."""
    environment = service_environment(deployment.settings.home_path, deployment.registry.tracking_uri)
    with running_service({**environment, "PMMDS_MODEL_VERIFICATION": "require_record"}) as service:
        yield service


def parts(service: RunningService) -> dict[str, Any]:
    parts: dict[str, Any] = service.client.get("/healthz").json()["parts"]
    return parts


def metric(service: RunningService, name: str) -> float:
    """Return a gauge's value. On a busy machine, the first responses may lack gauges that need the database."""
    wait_until(lambda: name in service.client.get("/metrics/json").json())
    return float(service.client.get("/metrics/json").json()[name]["samples"][0]["value"])


def bundle_of(deployment: Deployment, version: str) -> Path:
    run_id = deployment.registry.get_version(deployment.model_name, version).run_id
    (path,) = (deployment.settings.home_path / "mlartifacts").rglob(f"{run_id}/artifacts/bundle")
    return path


def test_a_version_with_a_recorded_digest_is_served(deployment: Deployment, strict: RunningService) -> None:
    manifest = (bundle_of(deployment, "1") / MANIFEST).read_bytes()
    assert deployment.decisions.recorded_digest("1") == hashlib.sha256(manifest).hexdigest()
    assert deployment.decisions.recorded_digest("2") is None
    assert (parts(strict)["model"]["version"], parts(strict)["model"]["verification"]) == ("1", "recorded")
    assert (metric(strict, "pmmds_model_recorded"), metric(strict, "pmmds_model_refused")) == (1, 0)


def test_unrecorded_version_is_rejected_until_rollback_records_it(
    deployment: Deployment, strict: RunningService
) -> None:
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "2")
    wait_until(lambda: "PMMDS_MODEL_VERIFICATION=require_record" in parts(strict)["registry"]["problem"])
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
    """Change a file and its digest in the manifest; return the previous content of both."""
    files = {path: path.read_bytes() for path in (bundle / MANIFEST, bundle / GOLDEN)}
    golden = files[bundle / GOLDEN] + b" "
    manifest = msgspec.json.decode(files[bundle / MANIFEST])
    manifest["files"][GOLDEN] = hashlib.sha256(golden).hexdigest()
    (bundle / GOLDEN).write_bytes(golden)
    (bundle / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return files


def test_changed_files_are_neither_served_nor_promoted_again(deployment: Deployment, tmp_path: Path) -> None:
    before = alter(bundle_of(deployment, "1"))
    try:
        environment = service_environment(tmp_path / "fresh", deployment.registry.tracking_uri)
        # Uses the database with the records, and a home with an empty model cache.
        database = f"sqlite:///{deployment.settings.home_path / 'pmmds.db'}"
        with running_service({**environment, "PMMDS_DATABASE_URL": database}, ready="/livez") as service:
            wait_until(lambda: "differ from those that were promoted" in parts(service)["registry"]["problem"])
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
