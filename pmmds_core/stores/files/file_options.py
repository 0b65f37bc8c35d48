"""A user's options for the files to compare: formats, missing words, kinds of columns, bins and thresholds.

Not here: the command's options (pmmds_cli/commands/drift.py) and inferred kinds (file_drift/column_kinds.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from pmmds_core.errors import InputFileError

MIN_BINS, MAX_BINS = 2, 50


@dataclass(frozen=True)
class FileOptions:
    """Options for both files; all are optional.

    `categorical`, `numeric`, `ignore`: names of columns. `na`: additional words for a missing value. `delimiter`,
    `decimal`, `thousands`: separators in CSV files and text columns; empty: detected. `bins`: number of bins per
    numeric column, 2–50. `thresholds`: PSI thresholds of individual columns, which override the setting.
    """

    categorical: frozenset[str] = frozenset()
    numeric: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    na: tuple[str, ...] = ()
    delimiter: str = ""
    decimal: str = ""
    thousands: str = ""
    bins: Mapping[str, int] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        twice = (self.categorical & self.numeric) | (self.ignore & (self.categorical | self.numeric))
        if twice:
            raise InputFileError(
                f"The column {min(twice)!r} is listed in two of the options categorical, numeric and ignore.",
                next_step="List it in only one of them.",
            )
        _check_mark("delimiter", self.delimiter, "one character such as ; or a tab", length=1)
        _check_mark("decimal", self.decimal, "a period or a comma", allowed=(".", ","))
        _check_mark("thousands", self.thousands, "one of , . ' and a space", allowed=(",", ".", "'", " "))
        if self.decimal and self.decimal == self.thousands:
            raise InputFileError(
                f"The decimal mark and the thousands separator are both {self.decimal!r}.",
                next_step="Use two different characters.",
            )
        for name, n in self.bins.items():
            if not MIN_BINS <= n <= MAX_BINS:
                raise InputFileError(
                    f"The column {name!r} cannot have {n} bins.", next_step=f"Use {MIN_BINS} to {MAX_BINS}."
                )
        for name, threshold in self.thresholds.items():
            if not 0 < threshold < float("inf"):
                raise InputFileError(
                    f"The PSI threshold {threshold:g} of {name!r} is not positive.",
                    next_step="Use a number such as 0.2.",
                )

    @property
    def named(self) -> frozenset[str]:
        """Every column that any option mentions."""
        return self.categorical | self.numeric | self.ignore | self.bins.keys() | self.thresholds.keys()


def reject_unknown(names: Iterable[str], present: Iterable[str], where: str) -> None:
    """Raise InputFileError for the first name that is not present. `where`: the file or profile, for the message."""
    known = list(present)
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise InputFileError(
                f"{where} has no column {name!r}.",
                next_step=f"Did you mean {close[0]!r}?" if close else f"It has: {listed(known)}.",
            )


def listed(names: Iterable[str], at_most: int = 8) -> str:
    """Join the first names and say how many more there are."""
    every = list(names)
    more = f" and {len(every) - at_most} more" if len(every) > at_most else ""
    return ", ".join(every[:at_most]) + more


def _check_mark(option: str, given: str, expected: str, *, allowed: tuple[str, ...] = (), length: int = 0) -> None:
    if given and ((allowed and given not in allowed) or (length and len(given) != length)):
        raise InputFileError(f"Invalid value for the option {option}: {given!r}.", next_step=f"Expected {expected}.")
