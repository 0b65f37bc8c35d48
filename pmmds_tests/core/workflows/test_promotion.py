"""The production alias moves once per decision and never overrides a newer decision, even if a promotion fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pmmds_core.errors import PromotionConflictError, RegistryUnavailableError
from pmmds_core.policies.decision import ABORTED, FILES_CHANGED, JUDGED, JUDGED_FILES, MOVING, RECORDED, Decision
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.workflows.promotion import put_into_production, reconcile, record_external_alias_change
from pmmds_tests.harness.fakes import FakeRegistry

MODEL = "churn-classifier"


@pytest.fixture
def decisions(database: Database) -> DecisionStore:
    return DecisionStore(database, MODEL)


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


def decide(
    decisions: DecisionStore, challenger: str, champion: str | None, *, promoted: bool = True, files: str = ""
) -> Decision:
    return decisions.save(
        kind="promotion",
        challenger=challenger,
        champion=champion,
        promoted=promoted,
        reason=f"v{challenger} against {champion}",
        improvement=0.01,
        details={"evaluation": {JUDGED_FILES: files}} if files else {},
        run_id=f"run-{challenger}",
    )


def state_of(decisions: DecisionStore, decision: Decision) -> str:
    found = decisions.get(decision.decision_id)
    assert found is not None
    return found.state


def test_the_first_model_and_its_successor_are_promoted(decisions: DecisionStore, registry: FakeRegistry) -> None:
    first = put_into_production(decide(decisions, "1", None), decisions, registry)
    second = put_into_production(decide(decisions, "2", "1"), decisions, registry)
    assert first.moved
    assert (second.version, second.previous_version) == ("2", "1")
    assert registry.moves == [("production", "1"), ("production", "2")]
    pointer = decisions.pointer()
    assert pointer is not None
    assert (pointer.version, pointer.fencing_token) == ("2", 2)


def test_a_version_whose_files_changed_after_the_evaluation_is_not_promoted(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    swapped = decide(decisions, "2", "1", files="of other files")
    with pytest.raises(PromotionConflictError, match=FILES_CHANGED):
        put_into_production(swapped, decisions, registry)
    assert registry.aliases["production"] == "1"
    assert decisions.recorded_digest("2") is None
    same = decide(decisions, "2", "1", files=registry.files_digest(MODEL, "2"))
    assert put_into_production(same, decisions, registry).moved


def test_repeating_a_finished_promotion_does_not_move_the_alias(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    decision = decide(decisions, "1", None)
    put_into_production(decision, decisions, registry)
    again = decisions.get(decision.decision_id)
    assert again is not None
    assert not put_into_production(again, decisions, registry).moved
    assert registry.moves == [("production", "1")]


def test_a_challenger_is_rejected_if_its_champion_was_replaced(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    quick, slow = decide(decisions, "2", "1"), decide(decisions, "3", "1")
    put_into_production(quick, decisions, registry)
    with pytest.raises(PromotionConflictError, match="v2 is in production now"):
        put_into_production(slow, decisions, registry)
    assert registry.aliases["production"] == "2"
    assert state_of(decisions, slow) == ABORTED
    refused = decisions.get(slow.decision_id)
    assert refused is not None
    assert refused.status == "aborted: champion changed"
    with pytest.raises(PromotionConflictError, match="aborted: champion changed"):
        put_into_production(slow, decisions, registry)


# Registry calls in order: get challenger, read alias (claim), read alias (move), move alias.
@pytest.mark.parametrize(("n_answers", "left"), [(0, JUDGED), (1, JUDGED), (2, MOVING), (3, MOVING)])
def test_a_promotion_can_be_finished_after_a_registry_failure_at_any_step(
    decisions: DecisionStore, registry: FakeRegistry, n_answers: int, left: str
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    registry.n_answers_left = n_answers
    with pytest.raises(RegistryUnavailableError):
        put_into_production(decision, decisions, registry)
    assert state_of(decisions, decision) == left
    assert [d.decision_id for d in decisions.unfinished()] == [decision.decision_id]
    assert registry.aliases["production"] == "1"

    registry.n_answers_left = None
    assert [d.state for d in reconcile(decisions, registry)] == [RECORDED]
    assert registry.moves == [("production", "1"), ("production", "2")]
    assert decisions.unfinished() == []


def test_a_lost_registry_response_does_not_move_the_alias_twice(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    registry.loses_next_answer = True
    with pytest.raises(RegistryUnavailableError):
        put_into_production(decision, decisions, registry)
    assert state_of(decisions, decision) == MOVING
    assert not put_into_production(decision, decisions, registry).moved
    assert registry.moves == [("production", "1"), ("production", "2")]


@pytest.mark.parametrize("n_answers", [None, 2], ids=["before the claim", "after the claim"])
def test_deleting_the_challenger_aborts_the_promotion(
    decisions: DecisionStore, registry: FakeRegistry, n_answers: int | None
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    if n_answers is not None:
        registry.n_answers_left = n_answers
        with pytest.raises(RegistryUnavailableError):
            put_into_production(decision, decisions, registry)
        registry.n_answers_left = None
    registry.delete("2")
    with pytest.raises(PromotionConflictError, match="challenger deleted from the registry"):
        put_into_production(decision, decisions, registry)
    pointer = decisions.pointer()
    assert pointer is not None
    assert pointer.version == registry.aliases["production"] == "1"
    assert put_into_production(decide(decisions, "3", "1"), decisions, registry).moved


def test_deleting_the_champion_aborts_the_promotion_of_its_challenger(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    registry.delete("1")
    with pytest.raises(
        PromotionConflictError, match=r"no version is in production now\..* \(aborted: champion changed\)"
    ):
        put_into_production(decide(decisions, "2", "1"), decisions, registry)
    assert decisions.pointer() is None
    assert decisions.recent(1)[0].kind == "manual"
    assert put_into_production(decide(decisions, "3", None), decisions, registry).moved
    pointer = decisions.pointer()
    assert pointer is not None
    assert (pointer.version, pointer.fencing_token) == ("3", 3)


def test_deciding_for_the_current_production_version_is_a_no_op(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    assert not put_into_production(decide(decisions, "1", "1"), decisions, registry).moved
    assert registry.moves == [("production", "1")]


def test_exactly_one_of_several_concurrent_promotions_succeeds(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    rivals = [decide(decisions, str(n), "1") for n in range(2, 8)]

    def attempt(decision: Decision) -> str | None:
        try:
            return put_into_production(decision, decisions, registry).version
        except PromotionConflictError:
            return None

    with ThreadPoolExecutor(len(rivals)) as pool:
        winners = [v for v in pool.map(attempt, rivals) if v is not None]
    pointer = decisions.pointer()
    assert pointer is not None
    assert winners == [pointer.version] == [registry.aliases["production"]]


def test_exactly_one_of_several_concurrent_first_promotions_succeeds(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    rivals = [decide(decisions, str(n), None) for n in range(1, 5)]
    with ThreadPoolExecutor(len(rivals)) as pool:
        list(pool.map(lambda _: reconcile(decisions, registry), rivals))
    assert sorted(state_of(decisions, d) for d in rivals) == [ABORTED] * 3 + [RECORDED]
    assert len(registry.moves) == 1


def test_an_alias_move_made_in_mlflow_is_recorded_as_a_decision(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    assert record_external_alias_change(decisions, registry) is None
    registry.aliases["production"] = "9"
    adopted = record_external_alias_change(decisions, registry)
    assert adopted is not None
    assert (adopted.kind, adopted.challenger_version, adopted.champion_version) == ("manual", "9", "1")
    assert put_into_production(decide(decisions, "10", "9"), decisions, registry).version == "10"


def test_an_alias_move_made_in_mlflow_is_kept_and_aborts_the_promotion(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    registry.aliases["production"] = "9"
    with pytest.raises(PromotionConflictError, match=r"v9 is in production now\..* \(aborted: champion changed\)"):
        put_into_production(decision, decisions, registry)
    assert registry.aliases["production"] == "9"
    pointer = decisions.pointer()
    assert pointer is not None
    assert (pointer.version, decisions.recent(1)[0].kind) == ("9", "manual")


def test_a_held_decision_is_recorded_immediately(decisions: DecisionStore) -> None:
    decision = decide(decisions, "2", "1", promoted=False)
    assert decision.state == RECORDED
    assert decisions.unfinished() == []
    assert decisions.recent()[0].to_document()["promoted"] is False


def test_a_rollback_to_a_version_whose_files_changed_is_rejected(
    decisions: DecisionStore, registry: FakeRegistry
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    put_into_production(decide(decisions, "2", "1"), decisions, registry)
    assert (decisions.recorded_digest("1"), decisions.recorded_digest("3")) == ("files-1", None)
    registry.changed.add("1")
    back = decide(decisions, "1", "2")
    with pytest.raises(PromotionConflictError, match="files differ from those that were evaluated or promoted"):
        put_into_production(back, decisions, registry)
    assert (registry.aliases["production"], state_of(decisions, back)) == ("2", ABORTED)
    assert decisions.recorded_digest("1") == "files-1"
