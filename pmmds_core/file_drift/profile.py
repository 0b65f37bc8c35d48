"""The reference profile of a file, by a contract or inferred from its values; counts of a file in given bins.

Not here: comparison and verdict (compare.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.column_kinds import (
    MAX_CATEGORIES,
    ColumnNote,
    columns_by_contract,
    columns_by_name,
    kind_of_many_values,
    kind_of_type,
    kind_of_values,
)
from pmmds_core.profiling.bins import SCORE, FeatureBins, count_numeric, fit_numeric_bins
from pmmds_core.profiling.reference_profile import N_SCORE_BINS, FeatureProfile, ReferenceProfile, bins_of_feature
from pmmds_core.stores.files.column_sql import Reading, read_column
from pmmds_core.stores.files.duckdb_counts import CategoryCounts, FileCounter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.contracts.contract import Contract
    from pmmds_core.stores.files.data_file import DataFile, FileColumn

N_BINS = 10


@dataclass(frozen=True)
class FileProfile:
    """A profile, with the kind of each column and the reason for it."""

    profile: ReferenceProfile
    notes: tuple[ColumnNote, ...]


def profile_by_contract(
    connection: DuckDBPyConnection, file: DataFile, contract: Contract, score: str = ""
) -> FileProfile:
    """Freeze the bins of the contract's features, and of the score if its column is given.

    Raises:
        InputFileError: a column is missing, or none of its values is valid by the contract.
    """
    columns = columns_by_contract(file, contract)
    readings = [read_column(columns[f.name], f.name, f.kind, f) for f in contract.features]
    rules = contract.by_name

    def fit(name: str, values: NDArray[np.float64]) -> FeatureBins:
        return _score_bins(values) if name == SCORE else bins_of_feature(rules[name], values)

    readings += _score_reading(file, score)
    counter = FileCounter(connection, file)
    bins, counts = _fit_and_count(counter, [r for r in readings if r.kind == "numeric"], fit)
    bins |= {f.name: bins_of_feature(f, np.array([])) for f in contract.features if not f.is_numeric}
    counts |= counter.count([r for r in readings if r.kind == "categorical"], bins)
    for feature in contract.features:
        _reject_mismatch(file, columns[feature.name], contract, bins[feature.name], counts[feature.name])
    notes = tuple(ColumnNote(columns[f.name].name, f.kind, "from the contract") for f in contract.features)
    return FileProfile(_assembled(contract.digest, file, list(contract.feature_names), bins, counts), notes)


def profile_by_values(
    connection: DuckDBPyConnection, file: DataFile, columns: Sequence[FileColumn], score: str = ""
) -> FileProfile:
    """Freeze the bins of `columns` by their values: quantiles for numbers, most frequent values for text.

    Raises:
        InputFileError: a column mixes numbers and text, or no column can be compared.
    """
    counter = FileCounter(connection, file)
    candidates = [c for c in columns if c.name != score]
    notes = {c.name: n for c in candidates if (n := kind_of_type(c))}
    texts = [c for c in candidates if c.name not in notes or notes[c.name].kind == "categorical"]
    counted = counter.categories([read_column(c, c.name, "categorical") for c in texts], MAX_CATEGORIES)
    values = {c.name: v for c, v in zip(texts, counted, strict=True)}
    for column in texts:
        if column.name not in notes:
            notes[column.name] = _kind_of_text(counter, file, column, values[column.name])
    numeric = [read_column(c, c.name, "numeric") for c in candidates if notes[c.name].kind == "numeric"]
    numeric += _score_reading(file, score)
    bins, counts = _fit_and_count(counter, numeric, _fit)
    for name in (c.name for c in texts if notes[c.name].kind == "categorical"):
        bins[name] = FeatureBins(name, "categorical", categories=tuple(values[name].counts))
        counts[name] = [*values[name].counts.values(), values[name].n_other_rows, values[name].n_null]
    names = [c.name for c in candidates if notes[c.name].kind is not None]
    if not names:
        raise InputFileError(
            f"{file.path} has no column that can be compared: "
            + "; ".join(f"{n.column}: {n.why}" for n in notes.values())
            + ".",
            next_step="Use a file with numeric or categorical columns.",
        )
    return FileProfile(_assembled("", file, names, bins, counts), tuple(notes[c.name] for c in candidates))


def count_file(
    connection: DuckDBPyConnection,
    file: DataFile,
    profile: ReferenceProfile,
    contract: Contract | None,
    score: str,
    where: str,
) -> dict[str, list[int]]:
    """The file's counts in the profile's bins, (n_bins,) by feature and `__score__`. `where`: the profile's file.

    Raises:
        InputFileError: a column of the profile is missing, or the file is damaged.
    """
    if contract is None:
        columns = columns_by_name(file, [f.bins.feature for f in profile.features], where)
    else:
        columns = columns_by_contract(file, contract)
    rules = {} if contract is None else contract.by_name
    readings = [
        read_column(columns[b.feature], b.feature, b.kind, rules.get(b.feature))
        for b in (f.bins for f in profile.features)
    ]
    if profile.score is not None:
        readings += _score_reading(file, score)
    bins = {f.bins.feature: f.bins for f in profile.with_score}
    return FileCounter(connection, file).count(readings, bins)


def _fit_and_count(
    counter: FileCounter, readings: Sequence[Reading], fit: Callable[[str, NDArray[np.float64]], FeatureBins]
) -> tuple[dict[str, FeatureBins], dict[str, list[int]]]:
    """Bins and counts of numeric features: counted while the values are in memory, except for text columns."""

    def fit_and_count(name: str, values: NDArray[np.float64]) -> tuple[FeatureBins, list[int]]:
        made = fit(name, values)
        return made, count_numeric(made, values).tolist()

    found = counter.numbers(readings, fit_and_count)
    bins = {made.feature: made for made, _ in found}
    counts = {made.feature: counted for made, counted in found}
    return bins, counts | counter.count([r for r in readings if r.is_text], bins)


def _fit(name: str, values: NDArray[np.float64]) -> FeatureBins:
    return _score_bins(values) if name == SCORE else fit_numeric_bins(name, values, N_BINS)


def _score_bins(values: NDArray[np.float64]) -> FeatureBins:
    return fit_numeric_bins(SCORE, values, N_SCORE_BINS, low=0.0, high=1.0)


def _score_reading(file: DataFile, score: str) -> list[Reading]:
    if not score:
        return []
    if score not in file.by_name:
        raise InputFileError(
            f"{file.path} has no column {score!r}.", next_step="Pass the name of the score column with --score."
        )
    return [read_column(file.by_name[score], SCORE, "numeric")]


def _kind_of_text(counter: FileCounter, file: DataFile, column: FileColumn, values: CategoryCounts) -> ColumnNote:
    note = kind_of_values(column, values)
    if note is not None:
        return note
    n_texts, n_numbers = counter.texts_among_numbers(read_column(column, column.name, "numeric"))
    return kind_of_many_values(file, column, values, n_texts, n_numbers)


def _reject_mismatch(
    file: DataFile, column: FileColumn, contract: Contract, bins: FeatureBins, counts: Sequence[int]
) -> None:
    inside = counts[: bins.n_bins - (3 if bins.kind == "numeric" else 2)]
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
