"""The alias moves once if MLflow or PostgreSQL stops before any step of a promotion and is restarted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError, RegistryUnavailableError
from pmmds_core.models.bundle import MANIFEST
from pmmds_core.models.registration import BUNDLE_PATH
from pmmds_core.policies.decision import RECORDED, Decision
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry, RegisteredVersion
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.workflows.promotion import put_into_production, reconcile
from pmmds_tests.core.workflows.test_promotion_crash import InterruptedFileRegistry, check_finished, decide
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving
from pmmds_tests.harness.postgres import temporary_cluster

pytestmark = [pytest.mark.process, pytest.mark.faults]

# Registry calls in order: get challenger, read alias (claim), read alias (move), move alias.
STEPS = (1, 2, 3, 4)
# MLflow receives one more call, which reads the digest of the files.
MLFLOW_STEPS = (*STEPS, 5)


def n_moves(database: Path) -> int:
    """Return the number of alias moves, which a trigger in MLflow's database counts."""
    with closing(sqlite3.connect(database)) as reading:
        return int(reading.execute("SELECT count(*) FROM alias_moves").fetchone()[0])


def count_moves(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE alias_moves (version INTEGER)")
        for what in ("INSERT", "UPDATE"):
            connection.execute(
                f"CREATE TRIGGER count_{what} AFTER {what} ON registered_model_aliases "
                "BEGIN INSERT INTO alias_moves VALUES (NEW.version); END"
            )


class InterruptedRegistry(ModelRegistry):
    """An MLflow registry that calls `interrupt` before its n-th call, or never if n is 0."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.interrupt: Callable[[], None] = lambda: None
        self.interrupt_in = 0

    def get_version(self, model_name: str, version: str) -> RegisteredVersion:
        self._count()
        return super().get_version(model_name, version)

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        self._count()
        return super().version_of(model_name, alias)

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        self._count()
        super().move_alias(model_name, alias, version)

    def _count(self) -> None:
        self.interrupt_in -= 1
        if self.interrupt_in == 0:
            self.interrupt()


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[MlflowServer]:
    with mlflow_serving(MlflowServer(tmp_path / "mlflow")) as server:
        yield server


def test_stopping_mlflow_before_any_step_delays_a_promotion(
    mlflow_server: MlflowServer, tmp_path: Path, contract: Contract
) -> None:
    database = open_database(Settings(home=str(tmp_path / "pmmds")))
    migrate(database, contract)
    decisions, registry = DecisionStore(database, contract.model_name), InterruptedRegistry(mlflow_server.uri)
    with registry._client() as client:
        client.create_registered_model(contract.model_name)
        run = client.create_run(registry.experiment_id(contract.model_name))
        (tmp_path / MANIFEST).write_text("{}")
        client.log_artifact(run.info.run_id, str(tmp_path / MANIFEST), BUNDLE_PATH)
        for _ in range(len(MLFLOW_STEPS) + 1):
            client.create_model_version(contract.model_name, source=run.info.artifact_uri, run_id=run.info.run_id)
    count_moves(mlflow_server.database)
    put_into_production(decide(decisions, "1", None), decisions, registry)
    registry.interrupt = mlflow_server.kill
    for step in MLFLOW_STEPS:
        decision = decide(decisions, str(step + 1), str(step))
        registry.interrupt_in = step
        with pytest.raises(RegistryUnavailableError):
            put_into_production(decision, decisions, registry)
        with pytest.raises(RegistryUnavailableError):
            reconcile(decisions, registry)  # MLflow is still down.
        assert [d.decision_id for d in decisions.unfinished()] == [decision.decision_id]
        mlflow_server.start()
        assert [d.state for d in reconcile(decisions, registry)] == [RECORDED]
        check_agreement(decisions, registry, decision)
        assert n_moves(mlflow_server.database) == step + 1
    database.close()


def check_agreement(decisions: DecisionStore, registry: ModelRegistry, decision: Decision) -> None:
    pointer, alias = decisions.pointer(), registry.version_of(decision.model_name, PRODUCTION)
    assert pointer is not None
    assert alias is not None
    assert pointer.version == alias.version == decision.challenger_version
    assert decisions.unfinished() == []


@pytest.mark.postgres
def test_stopping_postgresql_before_any_step_delays_a_promotion(tmp_path: Path, contract: Contract) -> None:
    with temporary_cluster() as cluster:
        settings = Settings(home=str(tmp_path / "pmmds"), database_url=cluster.url)
        database = open_database(settings)
        migrate(database, contract)
        decisions = DecisionStore(database, contract.model_name)
        registry = InterruptedFileRegistry(tmp_path / "alias", cluster.stop)
        put_into_production(decide(decisions, "1", None), decisions, registry)
        for step in STEPS:
            decision = decide(decisions, str(step + 1), str(step))
            registry.interrupt_in = step
            with pytest.raises(DatabaseUnavailableError):
                put_into_production(decision, decisions, registry)
            with pytest.raises(DatabaseUnavailableError):
                reconcile(decisions, registry)
            cluster.start()
            assert [d.state for d in reconcile(decisions, registry)] == [RECORDED]
            check_finished(decisions, registry, decision)
        database.close()
