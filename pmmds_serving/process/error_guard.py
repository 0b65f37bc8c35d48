"""What lets a thread go on after any error. Keep out: what the threads do, and what they tell the user.

An error is kept by its type and place: its text may hold a customer's values.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pmmds_core.runtime.json_logs import get_logger, place_of

log = get_logger("pmmds.serving.threads")


class Surviving:
    """A `with` block of a thread that must not end: an Exception ends the block only, and is kept in `error`."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.place = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error, self.place = error, place_of(trace)
        return True

    def tell(self, event: str) -> None:
        """One error line about what was survived, if anything was."""
        if self.error is not None:
            log.error(event, error_type=type(self.error).__name__, place=self.place)
