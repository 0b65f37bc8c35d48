"""The columns of a table over time: one per day or per week.

Not here: what the cells contain (drift.py, feature_time.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

# More days than this become weeks, so that the page stays small and the cells legible.
MAX_DAY_COLUMNS = 31


@dataclass(frozen=True)
class Columns:
    """The columns of a table over time. `first`: first day; `width`: days per column; `number`: number of columns."""

    first: date
    width: int
    number: int

    def of(self, day: date) -> int | None:
        """The index of a day's column, or None if the day is outside the table."""
        index = (day - self.first).days // self.width
        return index if 0 <= index < self.number else None

    @property
    def labels(self) -> Sequence[str]:
        return [f"{self.first + timedelta(days=i * self.width):%d %b}" for i in range(self.number)]

    @property
    def unit(self) -> str:
        return "day" if self.width == 1 else "week"


def columns_until(today: date, n_weeks: int) -> Columns:
    """The columns of the last `n_weeks` weeks: one per day, or one per week if there would be too many days."""
    width = 1 if n_weeks * 7 <= MAX_DAY_COLUMNS else 7
    number = n_weeks * 7 // width
    return Columns(today - timedelta(days=number * width - 1), width, number)
