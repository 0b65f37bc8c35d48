"""Infers the kinds of a file's columns from the reference's types and values. Every inferred kind is reported.

Not here: SQL (stores/files/column_sql.py), counting (stores/files/duckdb_counts.py) and bins (profile.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.cells import BLANKS, DATE_PATTERN, are_booleans, is_date
from pmmds_core.data.decimal_mark import are_alike
from pmmds_core.data.number_style import NumberStyle, looks_like_number, styles_of
from pmmds_core.errors import InputFileError
from pmmds_core.stores.files.column_sql import (
    TIMESTAMP_TYPES,
    Kind,
    is_number,
    missing_words,
    read_category,
    read_number,
)

if TYPE_CHECKING:
    from pmmds_core.stores.files.data_file import DataFile, FileColumn
    from pmmds_core.stores.files.duckdb_counts import CategoryCounts, FileCounter
    from pmmds_core.stores.files.file_options import FileOptions

# Without a contract, only this many of a column's most frequent categories have their own bin.
MAX_CATEGORIES = 100
# A column is an identifier if its most frequent values cover a smaller share of the rows.
MIN_SHARE_IN_BINS = 0.1
# With fewer values, a column may have no duplicates without being an identifier.
MIN_IDS = 20
# A text column with more distinct numbers is numeric and has unknown words. A column with fewer has categories such as
# 1, 2, 3 and 4+.
MAX_NUMBERS_AMONG_CATEGORIES = 10
_A_FEW = 4096


@dataclass(frozen=True)
class ColumnNote:
    """The kind of a column, or None if the column is left out, and the reason for the kind.

    `is_notable` is True if a reader of the result should see the reason.
    """

    column: str
    kind: Kind | None
    why: str
    is_notable: bool = False

    @property
    def remark(self) -> str:
        """The reason as a sentence without a period, or an empty string if the reason is not notable."""
        if self.kind is None:
            return f"{self.column}: left out, {self.why}"
        return f"{self.column}: {self.why}" if self.is_notable else ""


@dataclass(frozen=True)
class TextColumn:
    """The most frequent values of a text column, without blank cells."""

    counter: FileCounter
    file: DataFile
    column: FileColumn
    values: CategoryCounts
    options: FileOptions

    @property
    def present(self) -> list[str]:
        """The values that are not words for a missing value."""
        return self._without_missing(self.values.counts)

    def _without_missing(self, values: Iterable[str]) -> list[str]:
        words = missing_words(na=self.options.na)
        return [v for v in values if v.strip(BLANKS).lower() not in words]

    @property
    def missing(self) -> str:
        """A description of the words that mean missing in a numeric column, for use in the reason.

        It is empty if only blank cells mean missing.
        """
        present = set(self.present)
        words = [f"{v!r} ({n:,} rows)" for v, n in self.values.counts.items() if v not in present]
        return f"; missing: {', '.join(words[:5])}" if words else ""

    @property
    def n_distinct(self) -> int:
        return len(self.present) + self.values.n_other_values

    @property
    def is_boolean(self) -> bool:
        return bool(self.present) and not self.values.n_other_values and are_booleans(self.present)

    def style(self, preferred: NumberStyle | None = None) -> NumberStyle | None:
        """Return the style in which the column's numbers are written, or None if the column also has other text.

        `preferred` is the style of the column in the other file, which is used if it fits.

        Raises:
            InputFileError: two styles fit, and neither is `preferred`.
        """
        if preferred is not None and not preferred.is_plain and self._fits(preferred):
            return preferred
        styles = self._fitting(self.present)
        if len(styles) > 1 and not are_alike(styles, self.present):
            example = next(v for v in self.present if not are_alike(styles[:2], [v]))
            raise InputFileError(
                f"{self.file.path}: the numbers in the column {self.column.name!r} are ambiguous: "
                f"{example!r} is {' or '.join(f'{s.number_of(example):g}' for s in styles[:2])}.",
                next_step="Pass --decimal or --thousands, or leave the column out with --ignore.",
            )
        return styles[0] if styles else None

    def style_with(self, decimal: str, thousands: str) -> NumberStyle | None:
        """Return the style with these marks if the column fits it and has thousands separators, or None."""
        style = NumberStyle(decimal, thousands, is_plain=False)
        return style if any(thousands in v for v in self.present) and self._fits(style) else None

    def _fits(self, style: NumberStyle) -> bool:
        if not self.present or any(style.number_of(v) is None for v in self.present):
            return False
        return not self.values.n_other_values or not self.n_texts_and_numbers(style)[0]

    def _fitting(self, sample: Sequence[str]) -> list[NumberStyle]:
        """Return the styles of the sample that fit the whole column.

        The whole column is checked because thousands separators may occur only in the longest values.
        """
        styles = styles_of(sample, self.options.decimal, self.options.thousands)
        if not self.values.n_other_values or not styles:
            return styles
        fitting = [style for style in styles if not self.n_texts_and_numbers(style)[0]]
        if fitting or len(sample) > len(self.present):
            return fitting
        longest = self._without_missing(self.counter.longest(self.column, MAX_CATEGORIES))
        return self._fitting([*sample, *longest])

    def n_texts_and_numbers(self, style: NumberStyle | None = None) -> tuple[int, int]:
        """Return the number of cells with other text, and the number of cells with a number in the style.

        If the style is None, numbers are plain numbers.
        """
        reading = read_number(self.column, self.column.name, style=style, na=self.options.na)
        return self.counter.texts_among_numbers(reading)

    @property
    def are_dates(self) -> bool:
        if not self.present or not all(is_date(value) for value in self.present):
            return False
        return not self.values.n_other_values or self.counter.all_match(
            self.column, DATE_PATTERN, missing_words(na=self.options.na)
        )


def text_column(counter: FileCounter, file: DataFile, column: FileColumn, options: FileOptions) -> TextColumn:
    """Count the values of a column in one scan."""
    reading = read_category(column, column.name, na=options.na)
    return TextColumn(counter, file, column, counter.categories([reading], MAX_CATEGORIES)[0], options)


def kind_of_type(column: FileColumn) -> ColumnNote | None:
    """Return the kind of a column by its type alone, or None for text, whose kind depends on its values."""
    if is_number(column):
        return ColumnNote(column.name, "numeric", column.type.lower())
    if column.type == "BOOLEAN":
        return ColumnNote(column.name, "categorical", "boolean")
    if column.type.startswith(TIMESTAMP_TYPES):
        return ColumnNote(column.name, None, "dates or times, which always differ between files")
    if column.type in {"VARCHAR", "UUID"} or column.type.startswith("ENUM"):
        return None
    return ColumnNote(column.name, None, f"unsupported type {column.type.split('(')[0].lower()}")


def kind_of_text(text: TextColumn) -> tuple[ColumnNote, NumberStyle | None]:
    """Return the kind of a text column, which depends on its values, and the way in which its numbers are written.

    Raises:
        InputFileError: numbers mixed with other text, or ambiguous numbers, so that the intended kind is unclear.
    """
    name = text.column.name
    if not text.present:
        return ColumnNote(name, "numeric", "no values"), None
    if text.is_boolean:
        return ColumnNote(name, "categorical", f"text, true and false{text.missing}", bool(text.missing)), None
    if (style := text.style()) is not None:
        return _number_note(text, style), style
    if text.are_dates:
        return ColumnNote(name, None, "text, dates or times, which always differ between files"), None
    _reject_mixed(text)
    return _category_note(text), None


def is_running_id(values: NDArray[np.float64]) -> bool:
    """Return True if the values are whole numbers like sequential ids, which differ in all rows.

    Random numbers would repeat: n random numbers from a range of r numbers contain about n² / 2r repeats. The result is
    True only if at least 5 repeats would be expected. `values` has shape (n,), with NaN for null.
    """
    few = values[:_A_FEW]
    if len(values) < MIN_IDS or not np.array_equal(few, np.floor(few)) or np.unique(few).size < len(few):
        return False
    ordered = np.unique(values)
    if ordered.size < len(values) or not np.isfinite(ordered[[0, -1]]).all():
        return False
    n_possible = float(ordered[-1]) - float(ordered[0]) + 1
    return bool(np.array_equal(ordered, np.floor(ordered)) and len(values) ** 2 / (2 * n_possible) >= 5)


def _number_note(text: TextColumn, style: NumberStyle) -> ColumnNote:
    number = "numbers" if style.is_plain else f"numbers written like {text.present[0]!r}"
    why = f"text, {text.n_distinct:,} distinct {number}{text.missing}"
    return ColumnNote(text.column.name, "numeric", why, not style.is_plain or bool(text.missing))


def _reject_mixed(text: TextColumn) -> None:
    """Raise InputFileError if most of the values are numbers, because the meaning of the other text is then unknown."""
    numbers = [value for value in text.present if styles_of([value], text.options.decimal, text.options.thousands)]
    if text.values.n_other_values:
        n_texts, n_numbers = text.n_texts_and_numbers()
        is_mixed = n_numbers >= n_texts
    else:
        n_numbers = sum(text.values.counts[value] for value in numbers)
        n_texts = sum(text.values.counts[value] for value in text.present) - n_numbers
        is_mixed = len(numbers) > MAX_NUMBERS_AMONG_CATEGORIES and n_numbers >= n_texts
    if is_mixed:
        other = next((value for value in text.present if value not in numbers), "")
        example = f", such as {other!r}" if other else ""
        raise InputFileError(
            f"{text.file.path}: the column {text.column.name!r} mixes {n_numbers:,} numbers with {n_texts:,} other "
            f"values{example}.",
            next_step="Pass its words for missing values with --na, or its name with --categorical or --numeric.",
        )


def _category_note(text: TextColumn) -> ColumnNote:
    name, values = text.column.name, text.values
    n_values = len(values.counts) + values.n_other_values
    n_rows = sum(values.counts.values()) + values.n_other_rows
    if n_values == n_rows >= MIN_IDS:
        return ColumnNote(name, None, "text that differs in every row, like an identifier")
    if not values.n_other_values:
        return ColumnNote(name, "categorical", f"text, {n_values} categories")
    if all(looks_like_number(value) for value in text.present):
        raise InputFileError(
            f"{text.file.path}: the column {name!r} seems to have numbers in an unknown format, such as "
            f"{text.present[0]!r}.",
            next_step="Write them as plain numbers, or name the column with --categorical or --ignore.",
        )
    share = sum(values.counts.values()) / text.file.n_rows
    why = f"text, {n_values:,} categories: the {len(values.counts)} most frequent ones cover {share:.0%} of the rows"
    if share < MIN_SHARE_IN_BINS:
        return ColumnNote(name, None, f"{why}, like an identifier")
    return ColumnNote(name, "categorical", f"{why}, the others count as (unseen)", is_notable=True)
