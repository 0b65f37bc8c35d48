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
    """The prefix of all names. Without a prefix, the names are those in docs/architecture.md.

    The key prefix `("risk", "churn")` makes the asset key `risk/churn/drift_report`, the op `risk__churn__drift_report`
    and the job `risk_churn_monitor_job`.
    """

    key_prefix: tuple[str, ...] = ()

    def key(self, asset: str) -> dg.AssetKey:
        """Return an asset's key."""
        return dg.AssetKey([*self.key_prefix, asset])

    def selection(self, *assets: str) -> dg.AssetSelection:
        """Return a selection of assets.

        Unlike a list of names, the selection does not import Dagster's query parser.
        """
        return dg.AssetSelection.assets(*(self.key(asset) for asset in assets))

    def name(self, base: str) -> str:
        """Return the name of a job, schedule or sensor."""
        return "_".join((*self._words, base))

    def op(self, base: str) -> str:
        """Return an op's name, in the form that Dagster derives from an asset key."""
        return "__".join((*self._words, base))

    @property
    def _words(self) -> tuple[str, ...]:
        return tuple(_NOT_IN_NAMES.sub("_", part) for part in self.key_prefix)


PLAIN = LoopNames()
