"""A promoter process for crash tests that kills itself (SIGKILL) before its n-th step.

The processes are forked from a server process that has already imported this module, which saves time. Not here:
assertions.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
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
from pmmds_tests.harness.service_process import PATIENCE_SECONDS


class Fate:
    """A counter of steps that kills this process with SIGKILL before the n-th step."""

    def __init__(self, n: int) -> None:
        self._left = n

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedRegistry(FileRegistry):
    """A registry that may crash before and after each call."""

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
    """A decision store that may crash before each transaction, before the commit, and after the commit."""

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


class Promoter:
    """A started process that promotes a decision.

    Args:
        settings: the settings with the home and the database.
        registry_file: the file of the FileRegistry.
        decision_id: the id of a saved decision.
        n: the step before which the process kills itself. The value 0 means never.
    """

    def __init__(self, settings: Settings, registry_file: Path, decision_id: str, n: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        arguments = (settings.home, settings.database_url, registry_file, decision_id, n)
        self._process = context.Process(target=_promote, args=arguments)
        self._process.start()

    def exit_code(self) -> int:
        """Wait until the process exits.

        Return its exit code, or the negative number of the signal that killed the process.
        """
        self._process.join(PATIENCE_SECONDS)
        assert self._process.exitcode is not None, f"the promoter did not exit within {PATIENCE_SECONDS:g} seconds"
        return self._process.exitcode


def _promote(home: str, database_url: str, registry_file: Path, decision_id: str, n: int) -> None:
    database, fate = open_database(Settings(home=home, database_url=database_url)), Fate(n)
    decisions = DoomedDecisions(database, "churn-classifier", fate)
    decision = decisions.get(decision_id)
    assert decision is not None
    put_into_production(decision, decisions, DoomedRegistry(registry_file, fate))
