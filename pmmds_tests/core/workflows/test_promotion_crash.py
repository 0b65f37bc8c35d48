"""A promotion killed before any of its steps is later finished or aborted, and the alias moves at most once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.policies.decision import ABORTED, RECORDED, Decision
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.workflows.promotion import put_into_production, reconcile
from pmmds_tests.harness.crashing_promoter import Promoter
from pmmds_tests.harness.fakes import FileRegistry

MODEL = "churn-classifier"
NEVER = 0

Start = Callable[[Decision, int], Promoter]


@pytest.fixture
def decisions(database: Database) -> DecisionStore:
    return DecisionStore(database, MODEL)


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    return FileRegistry(tmp_path / "alias")


@pytest.fixture
def start(database_settings: Settings, registry: FileRegistry, database: Database) -> Start:
    """Return a function that starts a process to promote a decision and kills it before its n-th step."""

    def started(decision: Decision, n: int) -> Promoter:
        return Promoter(database_settings, registry.path, decision.decision_id, n)

    return started


def decide(decisions: DecisionStore, challenger: str, champion: str | None) -> Decision:
    return decisions.save(
        kind="promotion",
        challenger=challenger,
        champion=champion,
        promoted=True,
        reason=f"v{challenger} against {champion}",
        improvement=0.01,
        details={},
        run_id="",
    )


def check_finished(decisions: DecisionStore, registry: FileRegistry, decision: Decision) -> None:
    pointer, after = decisions.pointer(), decisions.get(decision.decision_id)
    assert after is not None
    assert after.state == RECORDED
    assert after.moved_at is not None
    assert pointer is not None
    assert (pointer.version, pointer.fencing_token) == (decision.challenger_version, after.fencing_token)
    assert registry.moves == [str(n) for n in range(1, int(decision.challenger_version) + 1)]
    assert decisions.unfinished() == []


def test_a_promotion_killed_before_any_step_is_finished_with_one_alias_move(
    decisions: DecisionStore, registry: FileRegistry, start: Start
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        decision = decide(decisions, str(step + 1), str(step))
        code = start(decision, step).exit_code()
        reconcile(decisions, registry)
        check_finished(decisions, registry, decision)
    assert code == 0
    # A promotion has ten steps, so the eleventh process is not killed.
    assert step == 11


def test_a_first_promotion_killed_before_the_alias_move_is_finished(
    decisions: DecisionStore, registry: FileRegistry, start: Start
) -> None:
    decision = decide(decisions, "1", None)
    code = start(decision, 7).exit_code()  # Step 7 is the alias move.
    assert code == -signal.SIGKILL
    assert registry.moves == []
    reconcile(decisions, registry)
    check_finished(decisions, registry, decision)


@pytest.mark.parametrize("step", [5, 7], ids=["before the claim is seen", "before the alias moves"])
def test_an_alias_move_made_in_mlflow_after_a_crash_aborts_the_promotion(
    decisions: DecisionStore,
    registry: FileRegistry,
    start: Start,
    step: int,
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    assert start(decision, step).exit_code() == -signal.SIGKILL
    registry.move_alias(MODEL, "production", "9")
    (after,) = reconcile(decisions, registry)
    assert (after.state, after.status) == (ABORTED, "aborted: champion changed")
    assert registry.moves == ["1", "9"]
    pointer = decisions.pointer()
    assert pointer is not None
    assert pointer.version == "9"


def test_the_next_promotion_first_finishes_a_crashed_promotion(
    decisions: DecisionStore, registry: FileRegistry, start: Start
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    left = decide(decisions, "2", "1")
    assert start(left, 8).exit_code() == -signal.SIGKILL  # The alias moved, but the decision is not recorded.
    assert registry.moves == ["1", "2"]
    put_into_production(decide(decisions, "3", "2"), decisions, registry)
    assert registry.moves == ["1", "2", "3"]
    after = decisions.get(left.decision_id)
    assert after is not None
    assert after.state == RECORDED


def test_concurrent_reconciliations_and_promotions_move_the_alias_once(
    decisions: DecisionStore, registry: FileRegistry, start: Start
) -> None:
    put_into_production(decide(decisions, "1", None), decisions, registry)
    rivals = [decide(decisions, "2", "1"), decide(decisions, "3", "1")]
    processes = [start(decision, NEVER) for decision in rivals]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: reconcile(decisions, registry), range(2)))
    for process in processes:
        process.exit_code()
    states = sorted(d.state for d in decisions.recent(2))
    assert states == [ABORTED, RECORDED]
    assert len(registry.moves) == 2
    pointer = decisions.pointer()
    assert pointer is not None
    assert pointer.version == registry.moves[-1]


class OvertakenRegistry(FileRegistry):
    """A registry that calls `overtake` before an alias move to simulate a concurrent promotion."""

    overtake: Callable[[], None] | None = None

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        super().move_alias(model_name, alias, version)


@pytest.mark.postgres
def test_a_stale_promotion_cannot_overwrite_a_newer_alias(
    postgres_url: str, tmp_path: Path, contract: Contract
) -> None:
    database = open_database(Settings(home=str(tmp_path), database_url=postgres_url))
    migrate(database, contract)
    decisions, registry = DecisionStore(database, MODEL), OvertakenRegistry(tmp_path / "alias")
    put_into_production(decide(decisions, "1", None), decisions, registry)
    slow = decide(decisions, "2", "1")

    def overtake() -> None:
        settings = Settings(home=str(tmp_path), database_url=postgres_url)
        cut_off(settings)
        others = open_database(settings)
        theirs = DecisionStore(others, MODEL)
        reconcile(theirs, registry)
        put_into_production(decide(theirs, "3", "2"), theirs, registry)
        others.close()

    registry.overtake = overtake
    with pytest.raises(DatabaseUnavailableError):
        put_into_production(slow, decisions, registry)
    assert registry.moves == ["1", "2", "3", "2", "3"]  # The last two moves are the late one and its correction.
    assert {d.challenger_version: d.state for d in decisions.recent()} == dict.fromkeys("123", RECORDED)
    database.close()


@pytest.mark.postgres
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_promotion_can_be_finished_after_a_database_failure_at_any_step(
    postgres_url: str, tmp_path: Path, contract: Contract, step: int
) -> None:
    settings = Settings(home=str(tmp_path), database_url=postgres_url)
    database = open_database(settings)
    migrate(database, contract)
    decisions = DecisionStore(database, MODEL)
    registry = InterruptedFileRegistry(tmp_path / "alias", lambda: cut_off(settings))
    put_into_production(decide(decisions, "1", None), decisions, registry)
    decision = decide(decisions, "2", "1")
    registry.interrupt_in = step
    if step == 1:  # A connection lost between two transactions is reopened.
        assert put_into_production(decision, decisions, registry).moved
    else:
        with pytest.raises(DatabaseUnavailableError):
            put_into_production(decision, decisions, registry)
        assert reconcile(decisions, registry)[0].state == RECORDED
    assert registry.moves == ["1", "2"]
    check_finished(decisions, registry, decision)
    database.close()


class InterruptedFileRegistry(FileRegistry):
    """A registry that calls `interrupt` during its n-th call, or never if n is 0."""

    def __init__(self, path: Path, interrupt: Callable[[], None]) -> None:
        super().__init__(path)
        self._interrupt = interrupt
        self.interrupt_in = 0

    def get_version(self, model_name: str, version: str) -> RegisteredVersion:
        self._count()
        return super().get_version(model_name, version)

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        self._count()
        moves = self.moves
        return RegisteredVersion(model_name, moves[-1], "", "") if moves else None

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        self._count()
        super().move_alias(model_name, alias, version)

    def _count(self) -> None:
        self.interrupt_in -= 1
        if self.interrupt_in == 0:
            self._interrupt()


def cut_off(settings: Settings) -> None:
    """Terminate every other connection to the database."""
    database = open_database(settings)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    database.close()
