"""Error guard: keeps a background loop running after any error.

Logs only an error's type and location, because its text may contain a customer's values.
Not here: the loops themselves and the problems they report.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pmmds_core.runtime.json_logs import get_logger, place_of

log = get_logger("pmmds.serving.threads")


class ErrorGuard:
    """A `with` block that suppresses any Exception and stores it in `error`."""

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

    def log_error(self, event: str) -> None:
        """Log the suppressed error, if there was one."""
        if self.error is not None:
            log.error(event, error_type=type(self.error).__name__, place=self.place)
