"""Names of the loop's assets, ops, jobs, schedules and sensors in a Dagster project.

Not here: which of them a project has (parts.py), groups and owners (groups.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import dagster as dg

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True)
class LoopNames:
    """The prefix of all names. Without one, the names are those of docs/architecture.md.

    The key prefix `("risk", "churn")` makes the asset key `risk/churn/drift_report`, the op `risk__churn__drift_report`
    and the job `risk_churn_monitor_job`.
    """

    key_prefix: tuple[str, ...] = ()

    def key(self, asset: str) -> dg.AssetKey:
        """The key of an asset."""
        return dg.AssetKey([*self.key_prefix, asset])

    def selection(self, *assets: str) -> dg.AssetSelection:
        """A selection of assets; it does not import Dagster's query parser, which a list of names would."""
        return dg.AssetSelection.assets(*(self.key(asset) for asset in assets))

    def name(self, base: str) -> str:
        """The name of a job, schedule or sensor."""
        return "_".join((*self._words, base))

    def op(self, base: str) -> str:
        """The name of an op, as Dagster forms it from an asset key."""
        return "__".join((*self._words, base))

    @property
    def _words(self) -> tuple[str, ...]:
        return tuple(_NOT_IN_NAMES.sub("_", part) for part in self.key_prefix)


PLAIN = LoopNames()
