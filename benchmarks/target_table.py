"""Prints measured shares with their targets as a table. Not here: measurements."""

from __future__ import annotations

from dataclasses import dataclass

from pmmds_core.statistics.intervals import wilson


@dataclass(frozen=True)
class Line:
    """A table row with the share `n_hits` / `n_of` and an optional target range [at_least, at_most].

    `keys` are the cells between the name and the share, such as the sample size.
    """

    what: str
    keys: tuple[str, ...]
    n_hits: int
    n_of: int
    at_least: float = 0.0
    at_most: float = 1.0

    @property
    def share(self) -> float:
        return self.n_hits / self.n_of

    @property
    def is_met(self) -> bool:
        return self.at_least <= self.share <= self.at_most

    def text(self) -> str:
        low, high = wilson(self.n_hits, self.n_of)
        measured = f"{self.share:.1%} ({low:.1%}–{high:.1%})"
        met = "–" if self._target == "–" else "yes" if self.is_met else "NO"
        return "| " + " | ".join([self.what, *self.keys, measured, self._target, met, f"{self.n_of:,}"]) + " |"

    @property
    def _target(self) -> str:
        if self.at_least > 0 and self.at_most < 1:
            return f"{self.at_least:.0%} to {self.at_most:.0%}"
        if self.at_least > 0:
            return f"≥ {self.at_least:.0%}"
        return f"≤ {self.at_most:.0%}" if self.at_most < 1 else "–"


def head(*keys: str) -> str:
    """Return the two header lines of the table."""
    names = ["what", *keys, "measured (95%)", "target", "met", "of"]
    return "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"
