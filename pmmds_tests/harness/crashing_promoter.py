"""A promoter process for crash tests that kills itself (SIGKILL) before its n-th step.

Run it as `python -m pmmds_tests.harness.crashing_promoter HOME DATABASE_URL REGISTRY_FILE DECISION_ID N`.
Not here: assertions.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.lifecycle.promotion_lock import PromotionTransaction
from pmmds_core.workflows.promotion import put_into_production
from pmmds_tests.harness.fakes import FileRegistry


class Fate:
    """Count steps; kill this process with SIGKILL before the n-th."""

    def __init__(self, n: int) -> None:
        self._left = n

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedRegistry(FileRegistry):
    """A registry with a step before and after each call."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        self._fate.step()
        return super().version_of(model_name, alias)

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        self._fate.step()
        super().move_alias(model_name, alias, version)
        self._fate.step()


class DoomedDecisions(DecisionStore):
    """Decisions with a step before each transaction, before its commit, and after it."""

    def __init__(self, database: Database, model_name: str, fate: Fate) -> None:
        super().__init__(database, model_name)
        self._fate = fate

    @contextmanager
    def transaction(self) -> Iterator[PromotionTransaction]:
        self._fate.step()
        with super().transaction() as turn:
            yield turn
            self._fate.step()
        self._fate.step()


def main(home: str, database_url: str, registry_file: str, decision_id: str, n: str) -> None:
    database, fate = open_database(Settings(home=home, database_url=database_url)), Fate(int(n))
    decisions = DoomedDecisions(database, "churn-classifier", fate)
    decision = decisions.get(decision_id)
    assert decision is not None
    put_into_production(decision, decisions, DoomedRegistry(Path(registry_file), fate))


if __name__ == "__main__":
    main(*sys.argv[1:])
