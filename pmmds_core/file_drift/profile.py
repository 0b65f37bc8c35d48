"""The reference profile of a file, which is created from a contract or inferred from the values.

Not here: the kinds of columns (inferred_kinds.py), the counts of the current file (current_counts.py), comparison and
verdict (compare.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pmmds_core.data.number_style import NumberStyle
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.column_kinds import ColumnNote, is_running_id, text_column
from pmmds_core.file_drift.inferred_kinds import ColumnKinds
from pmmds_core.file_drift.matching_columns import columns_by_contract
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import SCORE, FeatureBins, count_numeric
from pmmds_core.profiling.reference_profile import N_SCORE_BINS, FeatureProfile, ReferenceProfile, bins_of_feature
from pmmds_core.stores.files.column_sql import Reading, read_category, read_number
from pmmds_core.stores.files.duckdb_counts import FileCounter
from pmmds_core.stores.files.file_options import FileOptions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.contracts.contract import Contract
    from pmmds_core.stores.files.data_file import DataFile, FileColumn

N_BINS = 10


@dataclass(frozen=True)
class FileProfile:
    """A profile with the kind of each column and the reason for the kind.

    `styles` has the number styles of text columns.
    """

    profile: ReferenceProfile
    notes: tuple[ColumnNote, ...]
    styles: Mapping[str, NumberStyle] = field(default_factory=dict)


def profile_by_contract(
    connection: DuckDBPyConnection, file: DataFile, contract: Contract, score: str, options: FileOptions
) -> FileProfile:
    """Freeze the bins of the contract's features and, if the column of the score is given, the bins of the score.

    Raises:
        InputFileError: a column is missing, or none of its values is valid by the contract.
    """
    columns = columns_by_contract(file, contract)
    rules = contract.by_name
    counter = FileCounter(connection, file)
    styles = _styles(counter, file, {f.name: columns[f.name] for f in contract.features if f.is_numeric}, options)
    readings = [
        read_number(columns[f.name], f.name, f, styles.get(f.name), options.na)
        if f.is_numeric
        else read_category(columns[f.name], f.name, f.all_values, f, options.na)
        for f in contract.features
    ]

    def fit(name: str, values: NDArray[np.float64]) -> FeatureBins:
        return _score_bins(values) if name == SCORE else bins_of_feature(rules[name], values)

    numeric = [*(r for r in readings if r.kind == "numeric"), *score_reading(counter, file, score, options)]
    bins, counts = _fit_and_count(counter, numeric, fit)
    _reject_no_score(file, score, bins, counts)
    bins |= {f.name: bins_of_feature(f, np.array([])) for f in contract.features if not f.is_numeric}
    counts |= counter.count([r for r in readings if r.kind == "categorical"], bins)
    for feature in contract.features:
        _reject_mismatch(file, columns[feature.name], contract, bins[feature.name], counts[feature.name])
    notes = tuple(
        ColumnNote(columns[f.name].name, f.kind, f"from the contract{_written(styles.get(f.name))}", f.name in styles)
        for f in contract.features
    )
    profile = _assembled(contract.digest, file, list(contract.feature_names), bins, counts)
    return FileProfile(profile, notes, styles)


def profile_by_values(
    connection: DuckDBPyConnection, file: DataFile, columns: Sequence[FileColumn], score: str, options: FileOptions
) -> FileProfile:
    """Freeze the bins of `columns`, which depend on the values.

    The bins are quantiles for numbers and the most frequent values for text.

    Raises:
        InputFileError: a column mixes numbers and text, or no column can be compared.
    """
    counter = FileCounter(connection, file)
    kinds = ColumnKinds(counter, file, options)
    for column in columns:
        if column.name != score:
            kinds.add(column)
    kinds.use_marks_of_file()
    numeric = [read_number(c, c.name, style=kinds.styles.get(c.name), na=options.na) for c in kinds.numeric]

    def fit(name: str, values: NDArray[np.float64]) -> FeatureBins:
        if name == SCORE:
            return _score_bins(values)
        if name not in options.numeric and is_running_id(values):
            kinds.leave_out(name, "whole numbers that differ in every row, like a sequential id")
        return fit_numeric_bins(name, values, options.bins.get(name, N_BINS))

    bins, counts = _fit_and_count(counter, [*numeric, *score_reading(counter, file, score, options)], fit)
    _reject_no_score(file, score, bins, counts)
    for name, found in kinds.categories().items():
        bins[name] = FeatureBins(name, "categorical", categories=tuple(found.counts))
        counts[name] = [*found.counts.values(), found.n_other_rows, found.n_null]
    names = [name for name, note in kinds.notes.items() if note.kind is not None]
    if not names:
        reasons = "; ".join(f"{n.column}: {n.why}" for n in kinds.notes.values())
        raise InputFileError(
            f"{file.path} has no column that can be compared: {reasons or 'it has no column besides the score'}.",
            next_step="Use a file with numeric or categorical columns.",
        )
    kept = {name: b for name, b in bins.items() if name in names or name == SCORE}
    return FileProfile(_assembled("", file, names, kept, counts), tuple(kinds.notes.values()), kinds.styles)


def _styles(
    counter: FileCounter, file: DataFile, columns: Mapping[str, FileColumn], options: FileOptions
) -> dict[str, NumberStyle]:
    """Return the style of each numeric feature whose text is not all plain numbers."""
    found = {}
    for name, column in columns.items():
        if column.type == "VARCHAR":
            n_texts, _ = counter.texts_among_numbers(read_number(column, name, na=options.na))
            if n_texts or options.decimal or options.thousands:
                style = text_column(counter, file, column, options).style()
                if style is not None and not style.is_plain:
                    found[name] = style
    return found


def _written(style: NumberStyle | None) -> str:
    return "" if style is None else f", numbers written like {style.example!r}"


def _fit_and_count(
    counter: FileCounter, readings: Sequence[Reading], fit: Callable[[str, NDArray[np.float64]], FeatureBins]
) -> tuple[dict[str, FeatureBins], dict[str, list[int]]]:
    """Return the bins and counts of numeric features.

    Except for text columns, values are counted while they are in memory.
    """

    def fit_and_count(name: str, values: NDArray[np.float64]) -> tuple[FeatureBins, list[int]]:
        made = fit(name, values)
        return made, count_numeric(made, values).tolist()

    found = counter.numbers(readings, fit_and_count)
    bins = {made.feature: made for made, _ in found}
    counts = {made.feature: counted for made, counted in found}
    return bins, counts | counter.count([r for r in readings if r.is_text], bins)


def _score_bins(values: NDArray[np.float64]) -> FeatureBins:
    return fit_numeric_bins(SCORE, values, N_SCORE_BINS, low=0.0, high=1.0)


def score_reading(counter: FileCounter, file: DataFile, score: str, options: FileOptions) -> list[Reading]:
    """Return how to read the score column, or an empty list if there is no score.

    Raises:
        InputFileError: the column is missing.
    """
    if not score:
        return []
    if score not in file.by_name:
        raise InputFileError(
            f"{file.path} has no column {score!r}.", next_step="Pass the name of the score column with --score."
        )
    column = file.by_name[score]
    style = _styles(counter, file, {score: column}, options).get(score)
    return [replace(read_number(column, score, style=style, na=options.na), feature=SCORE)]


def _reject_no_score(
    file: DataFile, score: str, bins: Mapping[str, FeatureBins], counts: Mapping[str, list[int]]
) -> None:
    """Raise InputFileError if most values of the score in the reference are not scores."""
    if not score:
        return
    n_inside, n_null = sum(counts[SCORE][: bins[SCORE].n_values]), counts[SCORE][bins[SCORE].null_index]
    if 2 * n_inside <= file.n_rows - n_null:
        raise InputFileError(
            f"{file.path}: only {n_inside:,} of {file.n_rows:,} values of the score {score!r} are numbers from 0 to 1.",
            next_step="Pass a column with probabilities as --score.",
        )


def _reject_mismatch(
    file: DataFile, column: FileColumn, contract: Contract, bins: FeatureBins, counts: Sequence[int]
) -> None:
    inside = counts[: bins.n_values]
    if sum(inside) or counts[bins.null_index] == file.n_rows:
        return
    allowed = ", ".join(bins.categories[:8]) if bins.kind == "categorical" else f"{bins.lowest:g} to {bins.highest:g}"
    raise InputFileError(
        f"{file.path} does not match the contract {contract.name!r}: no value of {column.name} is allowed; "
        f"the contract allows {allowed}.",
        next_step="Use a file and a contract that match.",
    )


def _assembled(
    digest: str,
    file: DataFile,
    names: Sequence[str],
    bins: Mapping[str, FeatureBins],
    counts: Mapping[str, Sequence[int]],
) -> ReferenceProfile:
    profiles = {name: FeatureProfile(bins[name], tuple(counts[name])) for name in bins}
    return ReferenceProfile(digest, file.n_rows, tuple(profiles[n] for n in names), profiles.get(SCORE))
