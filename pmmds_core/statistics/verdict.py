"""The verdict enum of drift reports, production performance and the rollback check.

Not here: the rules that determine verdicts (drift/rules/, evaluation/, policies/).
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """A verdict, which is stored and reported as its value.

    `insufficient_data` means that nothing was evaluated, and never counts as `stable`.
    """

    STABLE = "stable"
    DRIFTED = "drifted"
    MEASURED = "measured"
    INSUFFICIENT_DATA = "insufficient_data"
