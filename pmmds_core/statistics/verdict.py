"""The verdict enum of drift reports, production performance and the rollback check.

Not here: the rules that give verdicts (drift/rules/, evaluation/, policies/).
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Stored and reported as its value. `insufficient_data` means not evaluated; it never counts as `stable`."""

    STABLE = "stable"
    DRIFTED = "drifted"
    MEASURED = "measured"
    INSUFFICIENT_DATA = "insufficient_data"
