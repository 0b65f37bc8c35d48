"""What the shadow's process last did, for the workers to tell and for its own successor. Keep out: doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from pmmds_core.runtime.processes import is_alive
from pmmds_serving.process.status_file import StatusFile

LOCK, STATUS = "shadow.lock", "shadow.json"
State = Literal["waiting", "scoring", "problem"]


class ShadowStatus(msgspec.Struct, frozen=True):
    """`state`: waiting for a challenger, scoring, or why not. `since`: the database's time from which on rows count.

    `n_scored`: rows of `version` that this process has scored.
    """

    pid: int
    state: State = "waiting"
    version: str = ""
    since: datetime | None = None
    problem: str = ""
    n_scored: int = 0


@dataclass(frozen=True)
class ShadowFiles:
    """Where a home's shadow and its workers meet."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / LOCK

    @property
    def status(self) -> StatusFile[ShadowStatus]:
        return StatusFile(self.folder / STATUS, ShadowStatus)

    def part(self, setting: str) -> dict[str, Any]:
        """Its part of /healthz, which says nothing of the service's health."""
        if setting != "on":
            return {"status": "off"}
        found = self.status.read()
        if found is None:
            return {"status": "waiting", "version": None, "n_scored": 0, "problem": ""}
        if not is_alive(found.pid):
            problem = "The process that scores as a shadow has ended; another one is being started."
            return {"status": "problem", "version": found.version or None, "n_scored": 0, "problem": problem}
        return {
            "status": found.state,
            "version": found.version or None,
            "n_scored": found.n_scored,
            "problem": found.problem,
        }
