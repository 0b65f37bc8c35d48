"""Status of the shadow process, for the workers and the next shadow process.

Not here: scoring (scorer.py).
"""

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
    """State of the shadow process.

    `since`: database time after which rows are scored. `n_scored`: rows that this process scored with `version`.
    """

    pid: int
    state: State = "waiting"
    version: str = ""
    since: datetime | None = None
    problem: str = ""
    n_scored: int = 0


@dataclass(frozen=True)
class ShadowFiles:
    """Files that a home's shadow process and workers share."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / LOCK

    @property
    def status(self) -> StatusFile[ShadowStatus]:
        return StatusFile(self.folder / STATUS, ShadowStatus)

    def part(self, setting: str) -> dict[str, Any]:
        """The `shadow` section of /healthz, which does not affect the service's health."""
        if setting != "on":
            return {"status": "off"}
        status = self.status.read()
        if status is None:
            return {"status": "waiting", "version": None, "n_scored": 0, "problem": ""}
        if not is_alive(status.pid):
            problem = "The shadow process has exited and is being restarted."
            return {"status": "problem", "version": status.version or None, "n_scored": 0, "problem": problem}
        return {
            "status": status.state,
            "version": status.version or None,
            "n_scored": status.n_scored,
            "problem": status.problem,
        }
