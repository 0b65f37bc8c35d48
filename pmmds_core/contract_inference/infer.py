"""Infers a contract from a CSV or Parquet file. The result is checked with the reader that training uses.

Kinds come from file_drift/inferred_kinds.py. Not here: the label (label.py), features (numeric.py, categorical.py), the
contract's text (contract_text.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_core.contract_inference import categorical, ids, numeric
from pmmds_core.contract_inference.assemble import assembled
from pmmds_core.contract_inference.draft import ColumnDraft, ContractDraft, LabelDraft
from pmmds_core.contract_inference.label import infer_label
from pmmds_core.contract_inference.names import unique_names
from pmmds_core.contract_inference.redundant import reasons_to_leave_out
from pmmds_core.contract_inference.written_forms import codes_note, reason_to_be_dates
from pmmds_core.contracts.cells import WORDS_FOR_NULL
from pmmds_core.contracts.checks import RESERVED_NAMES
from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.data.decimal_mark import style_of
from pmmds_core.data.expectations import MIN_ROWS
from pmmds_core.data.number_style import styles_of
from pmmds_core.data.reader import SourceData, read_source
from pmmds_core.data.text_table import TextTable, read_table
from pmmds_core.errors import DataError, InputFileError
from pmmds_core.file_drift.column_kinds import MIN_IDS, ColumnNote
from pmmds_core.file_drift.inferred_kinds import ColumnKinds
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.files.column_sql import REAL, read_number
from pmmds_core.stores.files.data_file import DataFile, FileColumn, connect, open_data_file
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_core.stores.files.file_options import FileOptions, listed, reject_unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Each feature is a column of the prediction log, and PostgreSQL allows at most 1,600 columns in a table.
MAX_FEATURES = 1500
_N_EXAMPLE_ROWS = 100
_NEXT_KIND = "Pass words for missing values with --na, or the column's name with --categorical, --numeric or --ignore."
_NEXT_AMBIGUOUS = "Write these numbers without thousands separators, or pass the column with --categorical or --ignore."


@dataclass(frozen=True)
class InferenceOptions:
    """The user's options for a file.

    `columns` has the candidates for features. If it is empty, all columns are candidates. `positive` is the label's
    value for class 1. If it is empty, the value is guessed. `file` has the kinds of columns, the words for missing
    values and the columns to leave out.
    """

    columns: tuple[str, ...] = ()
    positive: str = ""
    file: FileOptions = field(default_factory=FileOptions)


def infer_contract(path: Path, label: str, options: InferenceOptions) -> ContractDraft:
    """Infer the contract of a file.

    Args:
        path: a CSV or Parquet file.
        label: its label column.
        options: the user's corrections.

    Raises:
        InputFileError: the file, the label or all other columns cannot be used. The message names an option or a
            command that helps.
    """
    if path.is_dir():
        raise InputFileError(f"{path} is a folder.", next_step="Pass a single CSV or Parquet file with --from.")
    connection = connect()
    file = open_data_file(connection, path)
    _check(path, file, label, options)
    try:
        table = read_table(path)
    except DataError as error:
        raise InputFileError(error.message, next_step=error.next_step) from None
    label_draft = infer_label(table, path, label, options.positive)
    columns = _Columns(connection, file, table, label_draft, options).drafts()
    draft = assembled(path, table, label_draft, columns)
    return replace(draft, example=_example_of(_read_as_for_training(path, draft.contract), draft.contract))


def _check(path: Path, file: DataFile, label: str, options: InferenceOptions) -> None:
    if label not in file.by_name:
        reject_unknown([label], file.by_name, str(path))
    reject_unknown([*options.columns, *options.file.named], file.by_name, str(path))
    if label in {*options.columns, *options.file.named}:
        raise InputFileError(f"The column {label!r} is the label.", next_step="Pass it only with --label.")
    if file.n_rows < MIN_ROWS:
        raise InputFileError(
            f"{path} has {counted(file.n_rows, 'row')}. Training needs at least {MIN_ROWS}.",
            next_step="Use a file with more rows.",
        )
    n = len(_candidates(file, label, options))
    if n > MAX_FEATURES:
        raise InputFileError(
            f"{path} has {n:,} columns besides the label. A contract has at most {MAX_FEATURES:,} features.",
            next_step="Select the important ones with --columns A,B,C or leave some out with --ignore.",
        )


def _candidates(file: DataFile, label: str, options: InferenceOptions) -> list[FileColumn]:
    wanted = options.columns or tuple(file.by_name)
    return [c for c in file.columns if c.name in wanted and c.name != label and c.name not in options.file.ignore]


class _Columns:
    """Create the drafts of all columns except the label."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        file: DataFile,
        table: TextTable,
        label: LabelDraft,
        options: InferenceOptions,
    ) -> None:
        # Every column is scanned several times, and DuckDB parses a CSV file in each scan.
        connection.execute(f"CREATE TABLE source_rows AS SELECT * FROM {file.relation}")
        self._file = replace(file, relation="source_rows")
        self._table, self._label, self._options = table, label, options
        self._counter = FileCounter(connection, self._file)
        self._kinds = ColumnKinds(self._counter, self._file, options.file)
        self._candidates = _candidates(file, label.label.source, options)
        sources = [c.name for c in self._candidates]
        self._names = dict(zip(sources, unique_names(sources, {*RESERVED_NAMES, label.label.name}), strict=True))

    def drafts(self) -> tuple[ColumnDraft, ...]:
        self._find_kinds()
        numbers = self._numbers()
        notes = self._kinds.notes
        found = {c.name: self._draft(c, notes[c.name], numbers.get(c.name)) for c in self._candidates}
        kept = [name for name, draft in found.items() if draft.feature is not None]
        for name, why in reasons_to_leave_out(self._table.columns, kept, self._label).items():
            found[name] = ColumnDraft(name, None, why)
        others = (c.name for c in self._file.columns if c.name not in found and c.name != self._label.label.source)
        found |= {name: ColumnDraft(name, None, "left out by option") for name in others}
        return tuple(found[c.name] for c in self._file.columns if c.name in found)

    def _find_kinds(self) -> None:
        """Raise InputFileError for the first column whose kind is unclear.

        The message also names the other such columns.
        """
        problems: dict[str, InputFileError] = {}
        for column in self._candidates:
            try:
                self._kinds.add(column)
            except InputFileError as error:
                problems[column.name] = InputFileError(error.message, next_step=_NEXT_KIND)
            self._use_decimal_mark(column, problems)
        if problems:
            first, *more = problems
            also = f" The same applies to {listed(map(repr, more))}." if more else ""
            raise InputFileError(problems[first].message + also, next_step=problems[first].next_step)

    def _use_decimal_mark(self, column: FileColumn, problems: dict[str, InputFileError]) -> None:
        """Read the numbers of a text column as training does, which uses the decimal mark of the file."""
        note = self._kinds.notes.get(column.name)
        if column.type != "VARCHAR" or not (column.name in problems or (note and note.kind == "numeric")):
            return
        blank = WORDS_FOR_NULL | {word.strip().lower() for word in self._options.file.na}
        texts = [cell for cell in set(self._table.columns[column.name]) if cell.lower() not in blank]
        style = style_of(texts, self._table.decimal_mark)
        if style is not None and not style.is_plain:
            self._kinds.add_numbers(column, style)
            problems.pop(column.name, None)
        elif len(styles_of(texts)) > 1:
            problems[column.name] = InputFileError(problems[column.name].message, next_step=_NEXT_AMBIGUOUS)

    def _numbers(self) -> dict[str, ids.Numbers]:
        na, styles = self._options.file.na, self._kinds.styles
        readings = [read_number(c, c.name, style=styles.get(c.name), na=na) for c in self._kinds.numeric]
        if not readings:
            return {}
        return dict(self._counter.numbers(readings, lambda name, values: (name, numeric.describe(values))))

    def _draft(self, column: FileColumn, note: ColumnNote, numbers: ids.Numbers | None) -> ColumnDraft:
        name = self._names[column.name]
        if note.kind is None:
            return ColumnDraft(column.name, None, note.why, self._is_unique(column.name) and "identifier" in note.why)
        if numbers is not None:
            return self._numeric(column, name, numbers)
        found = categorical.describe(self._table.columns[column.name], self._options.file.na)
        if why := categorical.reason_to_leave_out(found):
            return ColumnDraft(column.name, None, why)
        feature = categorical.categorical_feature(found, name, column.name, self._file.name)
        return ColumnDraft(column.name, feature, categorical.evidence_of(found))

    def _numeric(self, column: FileColumn, name: str, numbers: ids.Numbers) -> ColumnDraft:
        cells = self._table.columns[column.name]
        if column.name not in self._options.file.numeric and (dates := self._dates(column, cells)):
            return ColumnDraft(column.name, None, dates)
        why = numeric.reason_to_leave_out(numbers, name)
        is_id = why != "" and why == ids.reason_to_be_an_id(numbers, name)
        if why and not (is_id and column.name in self._options.file.numeric):
            return ColumnDraft(column.name, None, why, is_id and self._is_unique(column.name))
        wanted = {word.strip().lower() for word in self._options.file.na} - WORDS_FOR_NULL
        words = tuple(sorted({cell for cell in set(cells) if cell.lower() in wanted})) if wanted else ()
        style = self._kinds.styles.get(column.name)
        mark = "." if style is None else style.decimal
        has_decimals = any(mark in cell for cell in cells[:1000]) or (column.type in REAL and not numbers.n_blank)
        is_float = has_decimals and not numbers.n_blank
        feature = numeric.numeric_feature(numbers, name, column.name, self._file.name, words, is_float)
        written = codes_note(cells) if style is None else f", written like {style.example!r}"
        return ColumnDraft(column.name, feature, numeric.evidence_of(numbers, feature, written))

    @staticmethod
    def _dates(column: FileColumn, cells: Sequence[str]) -> str:
        return reason_to_be_dates(cells, is_text=column.type == "VARCHAR")

    def _is_unique(self, name: str) -> bool:
        cells = self._table.columns[name]
        return len(cells) >= MIN_IDS and len(set(cells)) == len(cells) and "" not in cells


def _read_as_for_training(path: Path, contract: Contract) -> SourceData:
    """Read the rows. Raise InputFileError if the reader that training uses rejects them under the inferred contract."""
    try:
        return read_source(path, contract)
    except DataError as error:
        raise InputFileError(error.message, next_step="Leave these columns out with --ignore.") from None


def _example_of(source: SourceData, contract: Contract) -> dict[str, FeatureValue]:
    """Return the features of one of the first rows: the first of those with the fewest missing values."""
    rows = rows_of(source.frame.head(_N_EXAMPLE_ROWS), contract)
    row = min(rows, key=lambda row: sum(value is None for value in row))
    return dict(zip(contract.feature_names, row, strict=True))
