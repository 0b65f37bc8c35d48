"""Manual rollback, approval and rejection, and automatic rollback, with two registered versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from pmmds_assets.retraining import Trigger
from pmmds_assets.rollback import automatic_rollback_sensor
from pmmds_core.deployment import Deployment
from pmmds_core.errors import ArtifactCorruptError, PromotionConflictError, UsageError
from pmmds_core.models.bundle import SCORER
from pmmds_core.policies.decision import ABORTED, PENDING_APPROVAL, RECORDED, REJECTED, Decision
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.stores.lifecycle.retrainings import Attempt
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.workflows.approval import approve, reject
from pmmds_core.workflows.promotion import put_into_production
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.harness.dagster_platform import DagsterPlatform, assets_made, copy_of, errors_of, metadata_of
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.prediction_records import make_records

Act = Callable[..., Decision]


@pytest.fixture
def platform(two_versions_home: Path, tmp_path: Path) -> DagsterPlatform:
    """A copy of a platform on which v2 was promoted over v1."""
    return with_v2_promoted(two_versions_home, tmp_path)


def with_v2_promoted(two_versions_home: Path, tmp_path: Path) -> DagsterPlatform:
    platform = copy_of(two_versions_home, tmp_path)
    deployment = platform.deployment
    if production(deployment) == "1":
        put_into_production(decide(deployment, "2", "1"), deployment.decisions, deployment.registry)
    return platform


def decide(deployment: Deployment, challenger: str, champion: str, *, state: str = "", run_id: str = "") -> Decision:
    return deployment.decisions.save(
        kind="promotion",
        challenger=challenger,
        champion=champion,
        promoted=True,
        reason=f"v{challenger} outperforms v{champion}.",
        improvement=0.01,
        details={},
        run_id=run_id,
        state=state,
    )


def production(deployment: Deployment) -> str:
    """Return the version that both alias and pointer have; fail if they differ."""
    pointer, alias = deployment.decisions.pointer(), deployment.production_version().version
    assert pointer is not None
    assert pointer.version == alias
    return alias


def test_a_rollback_restores_the_previous_champion_and_records_the_person(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    decision = roll_back(deployment, by="Ada", reason="v2 is slow")
    assert production(deployment) == "1"
    assert (decision.kind, decision.state, decision.changed_by) == ("rollback", RECORDED, "Ada")
    assert decision.promotion_reason == "Rolled back from v2 to v1 by Ada: v2 is slow."
    assert decision.to_document()["reason"] == "v2 is slow"
    assert decision.moved_at is not None


def test_a_second_rollback_skips_the_version_that_was_rolled_back(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    roll_back(deployment, by="Ada")
    with pytest.raises(UsageError, match="v1 has no predecessor with recorded files"):
        roll_back(deployment, by="Ada")
    assert roll_back(deployment, to="v2", by="Ada").challenger_version == "2"
    assert production(deployment) == "2"


def test_a_rollback_without_a_model_fails_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No model is in production"):
        roll_back(DagsterPlatform.build(tmp_path).deployment, by="Ada")


def test_a_rollback_to_a_damaged_version_does_not_move_the_alias(
    platform: DagsterPlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deployment = platform.deployment
    deployment.profiles.bundle("1")

    def damaged(model_name: str, version: str, destination: Path) -> Path:
        return destination  # the registry now returns changed files

    kept = tmp_path / "profiles" / deployment.model_name / "1" / SCORER
    kept.write_bytes(kept.read_bytes()[:-1] + b" ")
    monkeypatch.setattr(deployment.registry, "download_bundle", damaged)
    with pytest.raises(ArtifactCorruptError):
        roll_back(deployment, by="Ada")
    assert production(deployment) == "2"


def test_a_rollback_starts_from_an_externally_moved_alias(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")
    decision = roll_back(deployment, to="2", by="Ada")
    assert (decision.champion_version, production(deployment)) == ("1", "2")


def test_a_rollback_from_the_launchpad_is_recorded_on_the_asset(platform: DagsterPlatform) -> None:
    config = {"config": {"by": "Ada", "reason": "from the UI"}}
    result = platform.run("rollback_job", ops={"roll_back_production": config})
    assert result.success, errors_of(result)
    assert production(platform.deployment) == "1"
    assert platform.deployment.decisions.recent(1)[0].promotion_reason.endswith(
        "by Ada (Dagster's launchpad): from the UI."
    )
    assert assets_made(result) == {"production_model"}
    assert metadata_of(result, "production_model")["model_version"].value == "1"


def test_an_impossible_rollback_from_the_launchpad_gives_the_reason(platform: DagsterPlatform) -> None:
    result = platform.run("rollback_job", ops={"roll_back_production": {"config": {"to": "2"}}})
    assert not result.success
    assert "v2 is already in production" in errors_of(result)[0]


def test_a_run_cannot_act_as_the_rollback_rule_or_bypass_approval(
    platform: DagsterPlatform,
) -> None:
    for config in ({"by": "automatic rollback"}, {"by": "Ada"}):
        held = DagsterPlatform(
            {**platform.environment, "PMMDS_PROMOTION_APPROVAL": "manual"}, platform.defs, platform.instance
        )
        held = DagsterPlatform.of_environment(held.environment)
        result = held.run("rollback_job", ops={"roll_back_production": {"config": config}})
        assert "a run cannot choose the version in production" in errors_of(result)[0]
    assert production(platform.deployment) == "2"
    result = platform.run("rollback_job", ops={"roll_back_production": {"config": {"by": "automatic rollback"}}})
    assert result.success, errors_of(result)
    assert platform.deployment.decisions.recent(1)[0].changed_by == "automatic rollback (Dagster's launchpad)"
    with pytest.raises(UsageError, match="reserved for automatic rollbacks"):
        roll_back(platform.deployment, by="Automatic Rollback")


def test_run_configuration_cannot_change_settings(platform: DagsterPlatform) -> None:
    config = {"resources": {"deployment": {"config": {"environment": {"PMMDS_HOME": "/nowhere"}}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="unexpected config"):
        platform.defs.resolve_job_def("reconcile_job").execute_in_process(instance=platform.instance, run_config=config)


def test_an_approved_decision_moves_the_alias_and_records_the_approver(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    waiting = decide(deployment, "1", "2", state=PENDING_APPROVAL)
    assert deployment.decisions.unfinished() == []
    with pytest.raises(PromotionConflictError, match=r"is pending_approval\. The alias was not moved"):
        put_into_production(waiting, deployment.decisions, deployment.registry)
    assert production(deployment) == "2"
    approved = approve(deployment, waiting.decision_id, by="Ada")
    assert (approved.state, approved.changed_by, production(deployment)) == (RECORDED, "Ada", "1")


def test_a_pending_decision_is_aborted_if_the_champion_changes(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    waiting = decide(deployment, "1", "3", state=PENDING_APPROVAL)  # v3 was in production during the evaluation
    with pytest.raises(PromotionConflictError, match=r"v2 is in production now\..* \(aborted: champion changed\)"):
        approve(deployment, waiting.decision_id, by="Ada")
    found = deployment.decisions.get(waiting.decision_id)
    assert found is not None
    assert (found.state, found.changed_by, production(deployment)) == (ABORTED, "Ada", "2")


def test_a_rejected_decision_has_no_effect_and_cannot_be_approved_later(platform: DagsterPlatform) -> None:
    deployment = platform.deployment
    waiting = decide(deployment, "1", "2", state=PENDING_APPROVAL)
    rejected = reject(deployment, waiting.decision_id, by="Ada", reason="holidays")
    assert (rejected.state, rejected.status) == (REJECTED, "rejected: holidays")
    with pytest.raises(UsageError, match="Only a pending_approval decision can be approved"):
        approve(deployment, waiting.decision_id, by="Bo")
    assert production(deployment) == "2"


@pytest.mark.parametrize(("first", "second"), [(approve, reject), (reject, approve)])
def test_the_second_approver_gets_an_error_after_the_first_decision(
    platform: DagsterPlatform, monkeypatch: pytest.MonkeyPatch, first: Act, second: Act
) -> None:
    """Both approvers read a pending decision, and the first one decides before the second gets the lock."""
    deployment = platform.deployment
    waiting = decide(deployment, "1", "2", state=PENDING_APPROVAL)
    first(deployment, waiting.decision_id, by="Ada")
    decided = deployment.decisions.get(waiting.decision_id)
    with monkeypatch.context() as patched:
        patched.setattr(deployment.decisions, "get", lambda _: waiting)
        with pytest.raises(UsageError, match=r"Only a pending_approval decision can be (approved|rejected)"):
            second(deployment, waiting.decision_id, by="Bo")
    assert deployment.decisions.get(waiting.decision_id) == decided
    assert production(deployment) == ("1" if first is approve else "2")


@pytest.mark.parametrize("act", [approve, reject])
def test_approval_requires_a_name(platform: DagsterPlatform, act: Act) -> None:
    deployment = platform.deployment
    waiting = decide(deployment, "1", "2", state=PENDING_APPROVAL)
    with pytest.raises(UsageError, match="--by NAME"):
        act(deployment, waiting.decision_id, by=" ")
    with pytest.raises(UsageError, match="--by NAME"):
        roll_back(deployment, by=" ")
    assert deployment.decisions.get(waiting.decision_id) == waiting
    assert production(deployment) == "2"


@pytest.mark.parametrize("act", [approve, reject])
def test_an_unknown_decision_fails_with_one_sentence(platform: DagsterPlatform, act: Act) -> None:
    with pytest.raises(UsageError, match="There is no decision 'nonsense'"):
        act(platform.deployment, "nonsense", by="Ada")


@pytest.mark.parametrize(("says_yes", "outcome"), [(True, "promoted"), (False, "held")])
def test_a_pending_retraining_ends_with_the_approval_or_rejection(
    platform: DagsterPlatform, says_yes: bool, outcome: str
) -> None:
    deployment = platform.deployment
    deployment.retrainings.claim(Attempt("r1", "manual", 1))
    waiting = decide(deployment, "1", "2", state=PENDING_APPROVAL, run_id="r1")
    approve(deployment, waiting.decision_id, by="Ada") if says_yes else reject(
        deployment, waiting.decision_id, by="Ada"
    )
    run = deployment.retrainings.of_run("r1")
    assert run is not None
    assert (run.outcome, run.challenger_version) == (outcome, "1")


def promoted_at(deployment: Deployment) -> datetime:
    """Return the time at which the promotion of v2 replaced v1."""
    decision = deployment.decisions.last_promotion_of("2")
    assert decision is not None
    assert decision.moved_at is not None
    return decision.moved_at


def watching(platform: DagsterPlatform, **variables: str) -> DagsterPlatform:
    """The platform with automatic rollback enabled and no service on its port."""
    own = {"PMMDS_ROLLBACK_AUTOMATIC": "on", "PMMDS_ROLLBACK_MIN_ROWS": "100", "PMMDS_HTTP_PORT": str(free_port())}
    return DagsterPlatform({**platform.environment, **own, **variables}, platform.defs, platform.instance)


def log_latencies(deployment: Deployment, version: str, start: datetime, latency_ms: float) -> None:
    step = timedelta(microseconds=1)
    rows = make_records(deployment.contract, 150, start=start, step=step, prefix=f"v{version}-", version=version)
    deployment.prediction_log.append([msgspec.structs.replace(r, latency_ms=latency_ms) for r in rows])


def test_automatic_rollback_is_off_by_default(platform: DagsterPlatform) -> None:
    skipped = platform.tick(automatic_rollback_sensor)
    assert skipped.skip_message == "PMMDS_ROLLBACK_AUTOMATIC is off."


def test_a_promotion_without_data_is_not_rolled_back(platform: DagsterPlatform) -> None:
    found = watching(platform).tick(automatic_rollback_sensor)
    assert not found.run_requests
    assert "insufficient_data" in found.skip_reason.skip_message


def test_a_much_slower_promotion_is_rolled_back_once_with_the_reason(platform: DagsterPlatform) -> None:
    platform = watching(platform)
    deployment = platform.deployment
    moved_at = promoted_at(deployment)
    log_latencies(deployment, "1", moved_at - timedelta(minutes=10), 0.3)
    log_latencies(deployment, "2", moved_at, 3.0)
    (request,) = platform.tick(automatic_rollback_sensor).run_requests
    again = platform.tick(automatic_rollback_sensor).run_requests[0]
    assert request.run_key == again.run_key  # Dagster launches only one run per run key
    result = platform.run("rollback_job", ops=request.run_config["ops"])
    assert result.success, errors_of(result)
    assert production(deployment) == "1"
    decision = deployment.decisions.recent(1)[0]
    assert (decision.kind, decision.changed_by) == ("rollback", "automatic rollback")
    assert decision.promotion_reason.endswith(
        "by automatic rollback: median latency 3.00 ms instead of 0.30 ms (10.00x, over 2.00x)."
    )
    assert "was not promoted" in platform.tick(automatic_rollback_sensor).skip_reason.skip_message
    late = platform.run("rollback_job", ops=request.run_config["ops"])
    assert not late.success
    assert "rollback, recorded" in errors_of(late)[0]


def test_a_promotion_with_much_worse_labeled_results_is_rolled_back(platform: DagsterPlatform) -> None:
    platform = watching(platform)
    deployment = platform.deployment
    moved_at = promoted_at(deployment)
    log_latencies(deployment, "1", moved_at - timedelta(minutes=10), 0.3)
    log_latencies(deployment, "2", moved_at, 0.3)
    records = deployment.prediction_log.recent(400)
    right = [
        LabelItem(r.request_id, r.prediction if r.model_version == "1" else 1 - r.prediction, moved_at) for r in records
    ]
    deployment.ground_truth.add(right)
    (request,) = platform.tick(automatic_rollback_sensor).run_requests
    decided = deployment.decisions.get(request.run_config["ops"]["roll_back_production"]["config"]["decision"])
    assert decided is not None
    assert decided.document["reason"].startswith("realized roc_auc 0.0000")


@pytest.mark.parametrize(("n_errors", "is_taken_back"), [(4, False), (60, True)])
def test_a_promotion_with_failing_requests_is_rolled_back(
    platform: DagsterPlatform, n_errors: int, is_taken_back: bool
) -> None:
    with counting_service() as (port, counts):
        platform = watching(platform, PMMDS_HTTP_PORT=str(port))
        counts.update({"200": 1000, "503": 7})
        first = platform.tick(automatic_rollback_sensor)
        counts["200"] += 196
        counts["503"] += n_errors
        second = platform.tick(automatic_rollback_sensor, cursor=first.cursor)
    assert bool(second.run_requests) == is_taken_back


@contextmanager
def counting_service() -> Iterator[tuple[int, dict[str, int]]]:
    """A server that only responds to GET /metrics/json, with counters by status."""
    counts: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            labels = {"method": "POST", "endpoint": "/api/v1/predict"}
            samples = [
                {"name": "pmmds_requests_total", "labels": {**labels, "status": status}, "value": n}
                for status, n in counts.items()
            ]
            body = msgspec.json.encode({"pmmds_requests": {"type": "counter", "help": "", "samples": samples}})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], counts
        finally:
            server.shutdown()
            thread.join()


def test_a_first_model_waits_for_approval_and_its_run_succeeds(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path, PMMDS_PROMOTION_APPROVAL="manual")
    result = platform.run("train_job", tags=Trigger(True, "manual", None, 1).to_tags())
    assert result.success, errors_of(result)
    deployment = platform.deployment
    (decision,) = deployment.decisions.recent()
    assert (decision.state, deployment.decisions.pointer()) == (PENDING_APPROVAL, None)
    assert metadata_of(result, "production_model")["model_version"].value == "none"
    run = deployment.retrainings.of_run(result.run_id)
    assert run is not None
    assert run.outcome == "pending_approval"
    approve(deployment, decision.decision_id, by="Ada")
    assert production(deployment) == "1"
    again = deployment.retrainings.of_run(result.run_id)
    assert again is not None
    assert again.outcome == "promoted"
    assert isinstance(result, dg.ExecuteInProcessResult)
