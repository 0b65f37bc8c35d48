"""Reads source files according to the contract: normalizes column names, values and blanks, or rejects the whole file.

Not here: file formats (text_table.py), checks of loaded frames (pandera_schema.py) and the choice of the
file (stores/files/reference_source.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.cells import WORDS_FOR_NULL, category_of, spelling_of
from pmmds_core.contracts.contract import Contract, Feature, Label
from pmmds_core.contracts.label_words import LabelWords
from pmmds_core.data.decimal_mark import may_have_thousands, style_of
from pmmds_core.data.digests import content_digest, row_digests
from pmmds_core.data.text_table import N_EXAMPLES, Cells, TextTable, read_table, table_from_frame
from pmmds_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SourceData", "content_digest", "read_source", "row_digests", "source_from_frame", "to_columns"]

# The largest magnitude up to which a float represents every integer.
_EXACT = 2**53


@dataclass(frozen=True)
class SourceData:
    """Rows as defined by the contract.

    `frame` has the features in the contract's order, followed by the label as 0 or 1 if it was requested. Integers are
    int64, or float64 with NaN if the feature is nullable. Other numbers are float64, and text is object with None.
    `row_ids` is an array of shape (n_rows,) with the text of the contract's `row_id` column, or None if the file does
    not have this column. `digest` is the content digest of the frame. `ignored_columns` has the columns of the file
    that are not in the contract. `notes` has sentences about columns with numbers in a local form.
    """

    name: str
    frame: pd.DataFrame
    row_ids: NDArray[np.object_] | None
    n_rows: int
    digest: str
    ignored_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_source(path: str | Path, contract: Contract, *, needs_label: bool = True) -> SourceData:
    """Read a CSV or Parquet file whose columns have the contract's source names or its feature names.

    Args:
        path: the file.
        contract: the names, types, allowed values and the meaning of blanks.
        needs_label: False for rows without labels. The frame then has no label column.

    Raises:
        DataError: the file is unreadable, a column is missing or a value is invalid. The message lists all problems
            with counts and example lines (the header is line 1). No rows are loaded.
    """
    return _normalize(read_table(Path(path)), contract, needs_label)


def source_from_frame(frame: pd.DataFrame, contract: Contract, name: str, *, needs_label: bool = True) -> SourceData:
    """Normalize rows in memory, as `read_source` does for files. Messages count the rows from 1."""
    return _normalize(table_from_frame(frame, name), contract, needs_label)


def to_columns(frame: pd.DataFrame, contract: Contract) -> dict[str, NDArray[Any]]:
    """Return the feature columns for `reference_profile.fit_profile`.

    Each column has shape (n_rows,) and is float64 with NaN or object with None.
    """
    return {f.name: frame[f.name].to_numpy(dtype=np.float64 if f.is_numeric else object) for f in contract.features}


def _normalize(table: TextTable, contract: Contract, needs_label: bool) -> SourceData:
    import pandas as pd

    column_of = _find_columns(table, contract, needs_label)
    problems: list[str] = []
    notes: list[str] = []
    columns: dict[str, Any] = {}
    for feature in contract.features:
        columns[feature.name] = _Column(table, column_of[feature.name], problems, notes).feature(feature)
    if needs_label:
        columns[contract.label.name] = _Column(table, column_of[contract.label.name], problems, notes).label(
            contract.label
        )
    row_ids = _row_ids(table, contract, problems)
    if problems:
        raise _error(table, problems)
    frame = pd.DataFrame(columns)
    used = {*column_of.values(), contract.row_id, contract.label.source, contract.label.name}
    ignored = tuple(column for column in table.columns if column not in used)
    return SourceData(table.name, frame, row_ids, len(frame), content_digest(frame), ignored, tuple(notes))


def _find_columns(table: TextTable, contract: Contract, needs_label: bool) -> dict[str, str]:
    """Return the file's column for each feature and the label.

    A column has its source name or, failing that, its name in the contract.
    """
    wanted: dict[str, str] = {f.name: f.source for f in contract.features}
    if needs_label:
        wanted[contract.label.name] = contract.label.source
    column_of = {n: next((c for c in (s, n) if c in table.columns), "") for n, s in wanted.items()}
    missing = [wanted[name] for name, column in column_of.items() if not column]
    if missing:
        raise DataError(
            f"{table.name}: {len(missing)} of {len(wanted)} columns are missing: {', '.join(missing)}. "
            f"The file has: {_shortened(list(table.columns))}.",
            next_step=f"No rows were loaded. Check that the file matches the contract {contract.name!r}.",
        )
    return column_of


def _error(table: TextTable, problems: list[str]) -> DataError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return DataError(
        f"{table.name} ({table.n_rows} rows) has {count}:\n" + "".join(f"- {p}\n" for p in problems),
        next_step="No rows were loaded. Fix the file, or the contract if these values are valid.",
    )


def _shortened(names: list[str], at_most: int = 25) -> str:
    more = f", and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


@dataclass(frozen=True)
class _Column:
    """A converter from one text column to typed values. It appends problems to `problems` and remarks to `notes`."""

    table: TextTable
    name: str
    problems: list[str]
    notes: list[str]

    @property
    def cells(self) -> Cells:
        return self.table.columns[self.name]

    def feature(self, feature: Feature) -> Any:
        blank = self._blanks(feature)
        values = self._numbers(feature, blank) if feature.is_numeric else self._categories(feature, blank)
        if feature.blank is None:
            self._report(blank, "blank, but the contract does not define what a blank means")
        return values

    def label(self, label: Label) -> NDArray[np.int64]:
        words = LabelWords(label)
        code_of = {cell: words.code_of(cell) for cell in set(self.cells)}
        codes = np.array([-1 if (code := code_of[cell]) is None else code for cell in self.cells], dtype=np.int64)
        self._report(codes < 0, f"not a label. Expected {label.positive} or {label.negative}")
        return codes

    def _blanks(self, feature: Feature) -> NDArray[np.bool_]:
        marks = {""} | set(feature.blank.written_as if feature.blank else ())
        if feature.is_numeric:
            return np.array([cell in marks or cell.lower() in WORDS_FOR_NULL for cell in self.cells], dtype=bool)
        return np.array([cell in marks for cell in self.cells], dtype=bool)

    def _categories(self, feature: Feature, blank: NDArray[np.bool_]) -> NDArray[np.object_]:
        spelling = spelling_of(feature.all_values)
        written = {category_of(value, spelling): value for value in feature.all_values}
        found = [written.get(category_of(cell, spelling)) for cell in self.cells]
        known = np.array([value is not None for value in found], dtype=bool)
        expected = ", ".join(feature.all_values)
        self._report(~known & ~blank, f"not among the allowed values. Expected one of: {expected}")
        values = np.array(found, dtype=object)
        values[blank] = feature.blank_value
        return values

    def _numbers(self, feature: Feature, blank: NDArray[np.bool_]) -> NDArray[Any]:
        import pandas as pd

        texts = pd.Series(np.where(blank, "", np.array(self.cells, dtype=object)), dtype=object)
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, copy=True)
        if not np.isfinite(numbers[~blank]).all() or may_have_thousands(texts[~blank]):
            numbers = self._styled(texts, blank, numbers)
        finite = np.isfinite(numbers)
        self._report(~finite & ~blank, "not a number")
        self._report_range(feature, numbers, finite)
        if feature.type == "integer":
            whole = finite & (numbers == np.round(numbers)) & (np.abs(numbers) <= _EXACT)
            self._report(finite & ~whole, "not a whole number")
        return _filled(feature, numbers, finite, blank)

    def _styled(
        self, texts: pd.Series[Any], blank: NDArray[np.bool_], plain: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the numbers if the whole column uses a single local or decorated form. Otherwise, return `plain`.

        A form that is ambiguous in this column is decided by the decimal mark of the file.
        """
        style = style_of(list(texts[~blank].unique()), self.table.decimal_mark)
        if style is None or style.is_plain:
            return plain
        self.notes.append(f"{self.name}: numbers written like {texts[~blank].iloc[0]!r}")
        return np.array([np.nan if b else style.number_of(t) for t, b in zip(texts, blank, strict=True)], dtype=float)

    def _report_range(self, feature: Feature, numbers: NDArray[np.float64], finite: NDArray[np.bool_]) -> None:
        low = -np.inf if feature.minimum is None else feature.minimum
        high = np.inf if feature.maximum is None else feature.maximum
        outside = finite & ((numbers < low) | (numbers > high))
        self._report(outside, f"outside {low:g} to {high:g} {feature.unit}".rstrip())

    def _report(self, wrong: NDArray[np.bool_], what: str) -> None:
        rows = np.flatnonzero(wrong)
        if rows.size == 0:
            return
        word, numbers = self.table.row_word, self.table.row_numbers
        examples = ", ".join(f"{word} {numbers[r]}: {self.cells[r]!r}" for r in rows[:N_EXAMPLES])
        more = ", …" if rows.size > N_EXAMPLES else ""
        count = "1 value is" if rows.size == 1 else f"{rows.size} values are"
        self.problems.append(f"{self.name}: {count} {what} ({examples}{more})")


def _filled(
    feature: Feature, numbers: NDArray[np.float64], finite: NDArray[np.bool_], blank: NDArray[np.bool_]
) -> NDArray[Any]:
    """Replace blanks with the contract's value. Integers become int64 unless the feature is nullable."""
    fill = feature.blank_value
    values = np.where(blank, np.nan if fill is None else float(fill), numbers)
    if feature.type == "integer" and not feature.is_nullable:
        return np.where(np.isfinite(values) & (np.abs(values) <= _EXACT), values, 0).astype(np.int64)
    return values


def _row_ids(table: TextTable, contract: Contract, problems: list[str]) -> NDArray[np.object_] | None:
    if not contract.row_id or contract.row_id not in table.columns:
        return None
    ids = np.array(table.columns[contract.row_id], dtype=object)
    seen: dict[str, int] = {}
    repeated = [f"{table.row_word} {n}: {i!r}" for i, n in zip(ids, table.row_numbers, strict=True) if _again(i, seen)]
    if repeated:
        shown = ", ".join(repeated[:N_EXAMPLES]) + (", …" if len(repeated) > N_EXAMPLES else "")
        problems.append(f"{contract.row_id}: {len(repeated)} row ids are blank or duplicated ({shown})")
    return ids


def _again(row_id: str, seen: dict[str, int]) -> bool:
    if row_id == "" or row_id in seen:
        return True
    seen[row_id] = 1
    return False
