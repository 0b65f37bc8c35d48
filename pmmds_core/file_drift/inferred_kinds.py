"""Determines the kinds of a file's columns from the user's options, the types and the values, in this order.

Not here: the rules for one column (column_kinds.py), bins (profile.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmmds_core.contracts.cells import category_of, spelling_of
from pmmds_core.data.number_style import NumberStyle
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.column_kinds import (
    MAX_CATEGORIES,
    ColumnNote,
    TextColumn,
    kind_of_text,
    kind_of_type,
    text_column,
)
from pmmds_core.stores.files.column_sql import TIMESTAMP_TYPES, read_category

if TYPE_CHECKING:
    from pmmds_core.stores.files.data_file import DataFile, FileColumn
    from pmmds_core.stores.files.duckdb_counts import CategoryCounts, FileCounter
    from pmmds_core.stores.files.file_options import FileOptions


class ColumnKinds:
    """The kinds of a file's columns, which are determined by the options, the types and the values."""

    def __init__(self, counter: FileCounter, file: DataFile, options: FileOptions) -> None:
        self._counter = counter
        self._file = file
        self._options = options
        self._texts: dict[str, TextColumn] = {}
        self._columns: dict[str, FileColumn] = {}
        self.notes: dict[str, ColumnNote] = {}
        self.styles: dict[str, NumberStyle] = {}

    @property
    def numeric(self) -> list[FileColumn]:
        return [c for c in self._columns.values() if self.notes[c.name].kind == "numeric"]

    def add(self, column: FileColumn) -> None:
        self._columns[column.name] = column
        self.notes[column.name] = self._note(column)

    def add_numbers(self, column: FileColumn, style: NumberStyle) -> None:
        """Add a text column whose numbers are written in this style."""
        self._columns[column.name] = column
        self.notes[column.name] = ColumnNote(column.name, "numeric", f"text, numbers written like {style.example!r}")
        self._set_style(column.name, style)

    def leave_out(self, name: str, why: str) -> None:
        self.notes[name] = ColumnNote(name, None, why)

    def _note(self, column: FileColumn) -> ColumnNote:
        name, options = column.name, self._options
        if name in options.ignore:
            return ColumnNote(name, None, "ignored by option")
        if name in options.categorical:
            return ColumnNote(name, "categorical", "by option")
        by_type = kind_of_type(column)
        if name in options.numeric:
            return self._numeric_by_option(column, by_type)
        if by_type is not None:
            return by_type
        note, style = kind_of_text(self.text(column))
        self._set_style(name, style)
        return note

    def _numeric_by_option(self, column: FileColumn, by_type: ColumnNote | None) -> ColumnNote:
        if column.type.startswith(TIMESTAMP_TYPES) or (by_type is not None and "unsupported" in by_type.why):
            raise InputFileError(
                f"{self._file.path}: the column {column.name!r} is {column.type.lower()}, which is not a number.",
                next_step="Remove it from --numeric.",
            )
        if by_type is None:
            style = self.text(column).style()
            if style is None and not self.text(column).n_texts_and_numbers()[1]:
                raise InputFileError(
                    f"{self._file.path}: the column {column.name!r} has no numbers.",
                    next_step="Remove it from --numeric.",
                )
            self._set_style(column.name, style)
        return ColumnNote(column.name, "numeric", "by option")

    def use_marks_of_file(self) -> None:
        """Read 1.234 as 1234 if another column of the file has decimal commas."""
        if not any(style.decimal == "," for style in self.styles.values()):
            return
        for column in self.numeric:
            if column.type == "VARCHAR" and column.name not in self.styles:
                style = self.text(column).style_with(",", ".")
                if style is not None:
                    self.styles[column.name] = style
                    why = f"text, numbers written like {style.example!r}, as in other columns of the file"
                    self.notes[column.name] = ColumnNote(column.name, "numeric", why, is_notable=True)

    def _set_style(self, name: str, style: NumberStyle | None) -> None:
        if style is not None and not style.is_plain:
            self.styles[name] = style

    def text(self, column: FileColumn) -> TextColumn:
        """Return the values of the column as text. They are counted only once."""
        if column.name not in self._texts:
            self._texts[column.name] = text_column(self._counter, self._file, column, self._options)
        return self._texts[column.name]

    def categories(self) -> dict[str, CategoryCounts]:
        """Return the counts of the values of the categorical columns, with a single spelling for equal values."""
        found = {}
        for name, note in self.notes.items():
            if note.kind == "categorical":
                column = self._columns[name]
                counted = self.text(column).values
                spelling = spelling_of(self._spelled_like(self.text(column)))
                if spelling in ("decimal", "boolean") and column.type == "VARCHAR":
                    known = ("true",) if spelling == "boolean" else ("1",)
                    reading = read_category(column, name, known, na=self._options.na)
                    counted = self._counter.categories([reading], MAX_CATEGORIES)[0]
                found[name] = counted
        return found

    @staticmethod
    def _spelled_like(text: TextColumn) -> list[str]:
        if text.is_boolean:
            return ["true", "false"]
        return [category_of(value, "decimal") or "" for value in text.values.counts]
