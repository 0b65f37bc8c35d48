"""Kill promotions at random times and count the alias moves: exactly one is expected (benchmarks.promotion, crashes).

A child process promotes and is killed (SIGKILL) after a random time. The parent reconciles and counts the moves. Runs
use a registry in a file, which is fast, and MLflow's registry, where a database trigger counts the changes of the
alias. Not here: error rates of decisions (promotion_statistics.py).
"""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import load_contract
from pmmds_core.policies.decision import MOVING, RECORDED, Decision
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.workflows.promotion import put_into_production, reconcile
from pmmds_tests.harness.fakes import FileRegistry
from pmmds_tests.harness.postgres import temporary_cluster

N_CALIBRATION = 10
# Kill times range up to a third beyond the duration of a promotion, so that some come after its end.
REACH = 1.33


@dataclass
class Outcome:
    """The result of `n` kills.

    `moves` counts the runs per number of alias moves, and `left_at` counts them per state of the decision at the kill.
    """

    moves: Counter[int] = field(default_factory=Counter)
    left_at: Counter[str] = field(default_factory=Counter)
    n_not_recorded: int = 0
    seconds: float = 0.0


@dataclass
class Trial:
    """A database and a registry. `n_moves` returns the number of alias moves."""

    settings: Settings
    model_name: str
    registry: ModelRegistry
    n_moves: Callable[[], int]

    def promote(self, decision: Decision) -> None:
        """Promote in the forked child process, and never return, so that the child skips the parent's cleanup."""
        status = 1
        try:
            put_into_production(decision, DecisionStore(open_database(self.settings), self.model_name), self.registry)
            status = 0
        finally:
            os._exit(status)

    def decide(self, challenger: str, champion: str | None) -> Decision:
        """Open and close the database within this call, because a fork must not inherit a connection."""
        database = open_database(self.settings)
        decision = DecisionStore(database, self.model_name).save(
            kind="promotion",
            challenger=challenger,
            champion=champion,
            promoted=True,
            reason="benchmark",
            improvement=None,
            details={},
            run_id="",
        )
        database.close()
        return decision

    def run(self, decision: Decision, kill_after: float | None) -> float:
        """Return how many seconds pass from the fork to the child's exit."""
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            self.promote(decision)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if kill_after is None and status:
            raise RuntimeError("a promotion failed although its process was not killed")
        return time.perf_counter() - began

    def settle(self, decision: Decision, moves_before: int, outcome: Outcome) -> None:
        database = open_database(self.settings)
        decisions = DecisionStore(database, self.model_name)
        found = decisions.get(decision.decision_id)
        state = found.state if found else "lost"
        left = f"{state}, alias moved" if state == MOVING and self.n_moves() > moves_before else state
        reconcile(decisions, self.registry)
        after = decisions.get(decision.decision_id)
        pointer, alias = decisions.pointer(), self.registry.version_of(self.model_name, PRODUCTION)
        agree = pointer and alias and pointer.version == alias.version == decision.challenger_version
        outcome.n_not_recorded += not (after and after.state == RECORDED and agree)
        outcome.moves[self.n_moves() - moves_before] += 1
        outcome.left_at[left] += 1
        database.close()


def measure(trial: Trial, n_runs: int, seed: int) -> Outcome:
    """Kill `n_runs` promotions, which alternate between versions 1 and 2."""
    draw, outcome, began = np.random.default_rng(seed), Outcome(), time.perf_counter()
    times, version = [], None
    for _ in range(N_CALIBRATION):
        target = "2" if version == "1" else "1"
        times.append(trial.run(trial.decide(target, version), None))
        version = target
    longest = sorted(times)[len(times) // 2] * REACH
    for _ in range(n_runs):
        target, before = "2" if version == "1" else "1", trial.n_moves()
        decision = trial.decide(target, version)
        trial.run(decision, draw.uniform(0, longest))
        trial.settle(decision, before, outcome)
        version = target
    outcome.seconds = time.perf_counter() - began
    return outcome


def file_trial(settings: Settings, model_name: str) -> Trial:
    registry = FileRegistry(Path(settings.home) / "alias")
    return Trial(settings, model_name, registry, lambda: len(registry.moves))


def mlflow_trial(settings: Settings, model_name: str) -> Trial:
    """Create MLflow on SQLite with two empty versions and a trigger that counts alias changes."""
    registry = ModelRegistry.of(settings)
    with registry._client() as client:
        client.create_registered_model(model_name)
        run = client.create_run(registry.experiment_id(model_name))
        for _ in range(2):
            client.create_model_version(model_name, source=run.info.artifact_uri, run_id=run.info.run_id)
    path = Path(settings.home) / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alias_moves (version INTEGER)")
        for what in ("INSERT", "UPDATE"):
            connection.execute(
                f"CREATE TRIGGER count_{what} AFTER {what} ON registered_model_aliases "
                "BEGIN INSERT INTO alias_moves VALUES (NEW.version); END"
            )

    def n_moves() -> int:
        with sqlite3.connect(path) as reading:
            return int(reading.execute("SELECT count(*) FROM alias_moves").fetchone()[0])

    return Trial(settings, model_name, registry, n_moves)


def report(name: str, n_runs: int, outcome: Outcome) -> int:
    """Print the outcome, and return the number of incorrect runs."""
    once = outcome.moves.get(1, 0)
    left = ", ".join(f"{state} {n}" for state, n in sorted(outcome.left_at.items()))
    print(f"{name}: alias moved exactly once in {once} of {n_runs} runs ({outcome.seconds:.0f} s)")
    print(f"  state of the decision at the kill: {left}; not finished by the reconciler: {outcome.n_not_recorded}")
    return n_runs - once + outcome.n_not_recorded


def kill_promotions(n_runs: int, n_mlflow_runs: int, seed: int) -> int:
    """Print the outcomes, and return the number of runs that did not finish or did not move the alias exactly once.

    Args:
        n_runs: number of kills per database with the file registry.
        n_mlflow_runs: number of kills with MLflow's registry.
        seed: the seed for the random kill times.
    """
    contract, missed = load_contract(""), 0
    with tempfile.TemporaryDirectory(prefix="pmmds-bench-") as folder, temporary_cluster() as cluster:
        with cluster.fresh_database() as url:
            for name, database_url in (("SQLite", ""), ("PostgreSQL", url)):
                settings = Settings(home=str(Path(folder) / name), database_url=database_url)
                Path(settings.home).mkdir()
                migrate(open_database(settings), contract)
                outcome = measure(file_trial(settings, contract.model_name), n_runs, seed)
                missed += report(f"{name}, registry in a file", n_runs, outcome)
        settings = Settings(home=str(Path(folder) / "mlflow"))
        Path(settings.home).mkdir()
        migrate(open_database(settings), contract)
        outcome = measure(mlflow_trial(settings, contract.model_name), n_mlflow_runs, seed)
        return missed + report("SQLite, MLflow's registry", n_mlflow_runs, outcome)
