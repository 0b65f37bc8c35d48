"""The shadow of a real service scores every request once despite crashes, and responses do not change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.bundle import MANIFEST
from pmmds_core.models.pipeline_scorer import PIPELINE
from pmmds_core.runtime.processes import is_alive
from pmmds_core.stores.artifacts.model_registry import CHALLENGER
from pmmds_core.stores.database.tables import shadow_predictions
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.model.fetcher import ModelFetcher
from pmmds_serving.model.verification import NO_RECORD, Verification
from pmmds_serving.shadow.status import ShadowFiles
from pmmds_serving.shipping.process import RUN_FOLDER
from pmmds_tests.harness.background_requests import Load, logged_once, metric
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import BATCH, PREDICT, all_logged, example, predicted, rows
from pmmds_tests.serving.model.test_model_versions import flip_a_byte, registered_scorer

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]


def part(service: RunningService) -> dict[str, Any]:
    """Return the part `shadow` of /healthz."""
    found: dict[str, Any] = service.client.get("/healthz").json()["parts"]["shadow"]
    return found


def scores(service: RunningService, version: str) -> Callable[[], bool]:
    return lambda: (part(service)["status"], part(service)["version"]) == ("scoring", version)


def scorer_of(service: RunningService) -> int:
    """Return the shadow's process id; 0 if there is none."""
    status = ShadowFiles(service.home / RUN_FOLDER).status.read()
    return status.pid if status is not None and is_alive(status.pid) else 0


def shadow_scores(stores: Deployment) -> dict[str, float]:
    c = shadow_predictions.c
    with stores.database.connect() as connection:
        return {r[0]: r[1] for r in connection.execute(sa.select(c.request_id, c.probability))}


def test_the_challenger_scores_every_request_that_production_serves(
    prepared: Prepare, two_versions: Deployment, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SHADOW="on")
    sent = rows(contract, 300)
    with running_service(environment) as service:
        wait_until(scores(service, "2"))
        answers = service.client.post(BATCH, json={"instances": sent}).json()["predictions"]
        stores = service.deployment()
        wait_until(lambda: stores.shadow.totals() == {"2": 300})
        wait_until(lambda: part(service)["n_scored"] == 300)  # the counter is updated after the rows are written
        assert metric(service.client, "pmmds_shadow_up") == 1
        wait_until(lambda: metric(service.client, "pmmds_shadow_predictions_total") == 300)
    features = [tuple(row.values()) for row in sent]
    one, two = (two_versions.profiles.bundle(v).scorer.probabilities(features) for v in "12")
    assert [a["probability"] for a in answers] == one
    found = shadow_scores(stores)
    assert [found[a["request_id"]] for a in answers] == two
    agreement = stores.shadow.agreement("2")
    assert agreement is not None
    assert agreement.answered_by == {"1": 300}
    assert agreement.mean_difference == pytest.approx((sum(two) - sum(one)) / 300)


def test_a_repeatedly_killed_shadow_scores_each_request_once(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SHADOW="on", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as service:
        wait_until(scores(service, "2"))
        load = Load(service.url, contract)
        killed = load.while_killing(lambda: scorer_of(service))
        stores = service.deployment()
        wait_until(lambda: logged_once(stores, load.answered))
        wait_until(lambda: stores.shadow.totals() == {"2": len(load.answered)})
        assert (load.refused, load.n_cut_off, len(killed)) == ({}, 0, 3)
        logged = stores.prediction_log.find(load.answered)
        assert shadow_scores(stores).keys() == {record.request_id for record in logged.values()}


def test_the_next_service_scores_the_remaining_requests(prepared: Prepare, contract: Contract, tmp_path: Path) -> None:
    environment = prepared(tmp_path / "home", PMMDS_SHADOW="on", PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as first:
        wait_until(scores(first, "2"))
        psutil.Process(scorer_of(first)).suspend()
        ids = [predicted(first.client, contract) for _ in range(20)]
        wait_until(all_logged(first.deployment(), ids))
        first.kill()
    with running_service(environment) as second:
        wait_until(lambda: second.deployment().shadow.totals() == {"2": 20})


def test_the_shadow_follows_the_alias_and_a_damaged_challenger_is_harmless(
    prepared: Prepare, two_versions: Deployment, contract: Contract, tmp_path: Path
) -> None:
    registry, name = two_versions.registry, two_versions.model_name
    scorer_file = registered_scorer(two_versions, "2")
    whole = scorer_file.read_bytes()
    flip_a_byte(scorer_file)
    try:
        with running_service(prepared(tmp_path / "home", PMMDS_SHADOW="on")) as service:
            wait_until(lambda: part(service)["status"] == "problem")
            assert "does not match its sha256" in part(service)["problem"]
            ids = [predicted(service.client, contract) for _ in range(10)]
            wait_until(all_logged(service.deployment(), ids))
            assert service.client.get("/healthz").json()["status"] == "healthy"
            assert service.client.get("/healthz").json()["parts"]["registry"]["status"] == "ok"
            assert metric(service.client, "pmmds_shadow_up") == 0
            wait_until(lambda: service.output.count("challenger_not_shadowed") == 1)
            registry.move_alias(name, CHALLENGER, "1")  # the production version itself gets no shadow scores
            wait_until(lambda: (part(service)["status"], part(service)["version"]) == ("waiting", None))
            scorer_file.write_bytes(whole)
            registry.move_alias(name, CHALLENGER, "2")
            wait_until(scores(service, "2"))
            assert service.client.post(PREDICT, json=example(contract)).json()["model_version"] == "1"
            wait_until(lambda: service.deployment().shadow.totals() == {"2": 1})
            assert service.output.count("challenger_not_shadowed") == 1
    finally:
        registry.move_alias(name, CHALLENGER, "2")
        scorer_file.write_bytes(whole)


def test_a_challenger_without_a_portable_scorer_is_not_loaded(
    two_versions: Deployment, contract: Contract, tmp_path: Path
) -> None:
    version = two_versions.registry.get_version(two_versions.model_name, "2")
    cache = ModelCache(tmp_path, contract.model_name)
    folder = two_versions.registry.download_bundle(contract.model_name, "2", cache.bundle_folder("2"))
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / PIPELINE).write_bytes(b"")
    files = {**manifest["files"], PIPELINE: hashlib.sha256(b"").hexdigest()}
    changed = {**manifest, "scorer_kind": "scikit_learn_pipeline", "files": files}
    (folder / MANIFEST).write_bytes(msgspec.json.encode(changed))
    fetcher = ModelFetcher(two_versions.registry, cache, contract)
    with pytest.raises(NotCompilableError, match="v2 has no portable scorer"):
        fetcher.fetch(version, lambda _: Verification(NO_RECORD), portable_only=True)


def test_no_shadow_process_runs_without_the_setting(service: RunningService) -> None:
    assert part(service) == {"status": "off"}
    assert scorer_of(service) == 0
    assert "pmmds_shadow_up" not in service.client.get("/metrics").text
