"""Counts of the current file in the bins of a profile.

Not here: the reference's profile (profile.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmmds_core.data.number_style import NumberStyle
from pmmds_core.file_drift.column_kinds import ColumnNote, text_column
from pmmds_core.file_drift.matching_columns import columns_by_contract, columns_by_name
from pmmds_core.file_drift.profile import FileProfile, score_reading
from pmmds_core.stores.files.column_sql import Reading, read_boolean_as_number, read_column, read_number
from pmmds_core.stores.files.duckdb_counts import FileCounter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.contracts.contract import Contract, Feature
    from pmmds_core.stores.files.data_file import DataFile, FileColumn
    from pmmds_core.stores.files.file_options import FileOptions


@dataclass(frozen=True)
class CurrentCounts:
    """The counts in the bins of a profile, with shape (n_bins,), by feature and `__score__`.

    `notes` has remarks on numbers in a local form.
    """

    counts: Mapping[str, list[int]]
    notes: tuple[ColumnNote, ...]


@dataclass(frozen=True)
class CurrentFile:
    """The current file of a comparison. `where` is the name of the profile's file, for use in messages."""

    connection: DuckDBPyConnection
    file: DataFile
    contract: Contract | None
    score: str
    options: FileOptions
    where: str

    def count(self, made: FileProfile) -> CurrentCounts:
        """Count the rows of the file in the bins of the profile.

        Raises:
            InputFileError: a column of the profile is missing, its numbers are ambiguous, or the file is damaged.
        """
        bins = {f.bins.feature: f.bins for f in made.profile.with_score}
        columns = self._columns(made)
        readings = [read_column(c, bins[name], self._rules(name), self.options.na) for name, c in columns.items()]
        counter = FileCounter(self.connection, self.file)
        if made.profile.score is not None:
            readings += score_reading(counter, self.file, self.score, self.options)
        counts = counter.count(readings, bins)
        texts = {n: c for n, c in columns.items() if bins[n].kind == "numeric" and c.type == "VARCHAR"}
        has_marks = bool(self.options.decimal or self.options.thousands)
        again: dict[str, Reading] = {}
        styles: dict[str, NumberStyle] = {}
        for name, column in texts.items():
            index = bins[name].not_a_number_index
            if has_marks or name in made.styles or (index is not None and counts[name][index]):
                self._restyle(counter, made, name, column, again, styles)
        if any(style.decimal == "," for style in styles.values()):
            self._use_marks_of_file(counter, {n: c for n, c in texts.items() if n not in again}, again, styles)
        notes = tuple(
            ColumnNote(
                texts[name].name,
                "numeric",
                f"text in {self.file.name}, numbers written like {style.example!r}",
                is_notable=True,
            )
            for name, style in styles.items()
            if style != made.styles.get(name)
        )
        return CurrentCounts(counts | counter.count(list(again.values()), bins), notes)

    def _use_marks_of_file(
        self,
        counter: FileCounter,
        columns: Mapping[str, FileColumn],
        again: dict[str, Reading],
        styles: dict[str, NumberStyle],
    ) -> None:
        """Read 1.234 as 1234 if another column of the file has decimal commas."""
        for name, column in columns.items():
            text = text_column(counter, self.file, column, self.options)
            if (style := text.style_with(",", ".")) is not None:
                again[name] = read_number(column, name, self._rules(name), style, self.options.na)
                styles[name] = style

    def _columns(self, made: FileProfile) -> dict[str, FileColumn]:
        if self.contract is None:
            return columns_by_name(self.file, [f.bins.feature for f in made.profile.features], self.where)
        return columns_by_contract(self.file, self.contract)

    def _rules(self, name: str) -> Feature | None:
        return None if self.contract is None else self.contract.by_name[name]

    def _restyle(
        self,
        counter: FileCounter,
        made: FileProfile,
        name: str,
        column: FileColumn,
        again: dict[str, Reading],
        styles: dict[str, NumberStyle],
    ) -> None:
        """Read a text column again if all of its text is numbers in a local form, or if all of it is true and false."""
        text = text_column(counter, self.file, column, self.options)
        rules = self._rules(name)
        if text.is_boolean:
            again[name] = read_boolean_as_number(column, name)
        elif (style := text.style(made.styles.get(name))) is not None and not style.is_plain:
            again[name] = read_number(column, name, rules, style, self.options.na)
            styles[name] = style
