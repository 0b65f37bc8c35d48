"""Compares two files and returns a drift report, for `pmmds drift compare` and notebooks.

    from pmmds_core.file_drift.compare import compare_files
    result = compare_files("january.parquet", "february.parquet")
    print(result.sentence)

Not here: bins and counts (profile.py), rules (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pmmds_core.config.settings import Settings
from pmmds_core.drift.comparison import FeatureDrift, compare
from pmmds_core.drift.few_rows import without_measures
from pmmds_core.drift.policy import DriftRule, DriftVerdict, judge, report_document
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.column_kinds import ColumnNote
from pmmds_core.file_drift.current_counts import CurrentFile
from pmmds_core.file_drift.matching_columns import additional_columns
from pmmds_core.file_drift.profile import FileProfile, profile_by_contract, profile_by_values
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.runtime.progress import Progress, no_progress
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.data_file import DataFile, connect, open_data_file
from pmmds_core.stores.files.file_options import FileOptions, reject_unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.contracts.contract import Contract

# A file larger than this is not a saved profile.
MAX_PROFILE_BYTES = 50_000_000
_N_STEPS = 4


@dataclass(frozen=True)
class FileComparison:
    """The comparison of a current file with a reference.

    `features` is in the order of the reference. `notes` has the kind of each column. `profile` is the reference's
    profile, which can be saved and used in place of the reference. `warnings` has sentences about what was not
    compared.
    """

    reference: str
    current: str
    n_current: int
    profile: ReferenceProfile
    features: tuple[FeatureDrift, ...]
    verdict: DriftVerdict
    rule: DriftRule
    notes: tuple[ColumnNote, ...]
    warnings: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The verdict and its reasons."""
        return f"{str(self.verdict.verdict).replace('_', ' ').capitalize()}. {self.verdict.reason_text}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks on columns that were left out or interpreted specially, followed by the warnings."""
        return (*(note.remark for note in self.notes if note.remark), *self.warnings)

    @cached_property
    def document(self) -> dict[str, Any]:
        """Return plain JSON values in the format of `pmmds drift compare --json` and of a stored drift report."""
        document = report_document(self.profile, self.features, self.n_current, self.verdict)
        notes = [asdict(note) for note in self.notes]
        return {
            "reference": self.reference,
            "current": self.current,
            **document,
            "columns": notes,
            "warnings": list(self.warnings),
        }

    def to_html(self) -> str:
        """Return the report as a self-contained HTML page."""
        from pmmds_core.reports.drift_page import FilesHead, render_page

        head = FilesHead(self.reference, self.current, self.rule.psi_threshold, datetime.now(UTC), self.remarks)
        return render_page(self.document, head)

    def _repr_html_(self) -> str:
        """Return the verdict and a table of the features, largest PSI first, for notebooks.

        The page that `to_html` returns also has the charts.
        """
        from pmmds_core.reports.notebook import html_table

        ordered = sorted(self.features, key=lambda f: (f.psi is None, -(f.psi or 0.0)))
        rows = [[f.feature, f.kind, f.psi, f.p_value, str(f.band), f.statement] for f in ordered]
        left_out = [f"{note.column}: left out, {note.why}" for note in self.notes if note.kind is None]
        head = f"{self.current} ({self.n_current:,} rows) against {self.reference} ({self.profile.n_rows:,} rows)"
        columns = ("feature", "kind", "PSI", "p", "band", "change")
        return html_table(head, columns, rows, [self.sentence, *self.warnings, *left_out])

    def save_html(self, path: str | Path) -> None:
        """Write the HTML page atomically."""
        write_atomically(Path(path), self.to_html().encode())

    def save_profile(self, path: str | Path) -> None:
        """Write the reference's profile, which `compare_files` accepts as its reference."""
        write_atomically(Path(path), self.profile.to_json())


def compare_files(
    reference: str | Path,
    current: str | Path,
    *,
    contract: Contract | str | Path | None = None,
    columns: Sequence[str] = (),
    score: str = "",
    rule: DriftRule | None = None,
    options: FileOptions | None = None,
    on_progress: Progress = no_progress,
) -> FileComparison:
    """Compare two CSV or Parquet files, whose format is detected from the content.

    A path may also name a folder of Parquet files or a pattern such as `2026-*/*.parquet`.

    Args:
        reference: the accepted data, from which the bins are computed, or a saved profile.
        current: the data to compare with it.
        contract: the names, kinds, ranges and the meaning of blanks. If it is None, the contract is inferred from the
            reference.
        columns: without a contract, compare only these columns.
        score: column of the model's score, 0–1, in both files; reported but not counted as a feature.
        rule: thresholds; None: the defaults of the settings.
        options: formats, missing words, kinds, bins and thresholds of single columns.
        on_progress: steps: both files are opened, the reference's profile is computed, the current rows are counted.

    Raises:
        InputFileError: a file is unreadable or empty, or does not match the other file, the contract or the options.
        ContractError: the contract is invalid.
    """
    given, chosen = contract_of(contract), options or FileOptions()
    connection = connect()
    try:
        reference, current = Path(reference), Path(current)
        saved = _saved_profile(reference)
        now = open_data_file(connection, current, chosen.delimiter)
        on_progress(1, _N_STEPS)
        if saved is None:
            then = open_data_file(connection, reference, chosen.delimiter)
            on_progress(2, _N_STEPS)
            made, warning = profile_of(connection, then, now, given, columns, score, chosen)
        else:
            given = _contract_of_profile(reference, saved, given)
            made, warning = _of_saved(saved, columns, score, chosen), ""
        on_progress(3, _N_STEPS)
        return judged(connection, reference, now, made, given, score, chosen, rule, warning)
    finally:
        connection.close()


def judged(
    connection: DuckDBPyConnection,
    reference: Path,
    now: DataFile,
    made: FileProfile,
    contract: Contract | None,
    score: str,
    options: FileOptions,
    rule: DriftRule | None,
    warning: str,
) -> FileComparison:
    """Count the current rows in the bins of the reference, compute the measures, and apply the rules.

    Args:
        connection: the connection that `now` was opened with.
        reference: the path or the name of the reference, for use in messages.
        now: the current rows.
        made: the reference's profile.
        contract: see `compare_files`.
        score: see `compare_files`.
        options: see `compare_files`.
        rule: see `compare_files`.
        warning: a warning about columns that are not compared, which may be empty.

    Raises:
        InputFileError: the current rows do not match the reference, the contract or the options.
    """
    counted = CurrentFile(connection, now, contract, score, options, str(reference)).count(made)
    arrays = {name: np.array(values, dtype=np.int64) for name, values in counted.counts.items()}
    features = compare(made.profile, arrays, now.n_rows)
    rule = replace(rule or DriftRule.of(Settings()), feature_thresholds=dict(options.thresholds))
    verdict = judge(features, made.profile.n_rows, now.n_rows, rule)
    if verdict.verdict is Verdict.INSUFFICIENT_DATA:
        features = tuple(without_measures(f) for f in features)
    notes = (*made.notes, *counted.notes)
    warnings = (warning,) if warning else ()
    return FileComparison(reference.name, now.name, now.n_rows, made.profile, features, verdict, rule, notes, warnings)


def profile_of(
    connection: DuckDBPyConnection,
    file: DataFile,
    current: DataFile,
    contract: Contract | None,
    columns: Sequence[str],
    score: str,
    options: FileOptions,
) -> tuple[FileProfile, str]:
    """Return the reference's profile, and a warning if the current file has additional columns."""
    if contract is not None:
        _reject_kinds(options, "With a contract, the kinds and bins come from the contract")
        return profile_by_contract(connection, file, contract, score, options), ""
    reject_unknown((*columns, *sorted(options.named)), file.by_name, str(file.path))
    _reject_reserved_name(file, columns, score, options)
    chosen = [c for c in file.columns if not columns or c.name in set(columns)]
    made = profile_by_values(connection, file, chosen, score, options)
    left_out = tuple(ColumnNote(name, None, why) for name, why in file.left_out)
    return replace(made, notes=(*made.notes, *left_out)), "" if columns else additional_columns(file, current)


def _reject_reserved_name(file: DataFile, columns: Sequence[str], score: str, options: FileOptions) -> None:
    is_compared = SCORE in file.by_name and SCORE not in options.ignore and (not columns or SCORE in columns)
    if is_compared and score != SCORE:
        raise InputFileError(
            f"{file.path} has a column {SCORE!r}, the name that reports use for the score.",
            next_step="Name it with --score if it is the model's score, or leave it out with --ignore.",
        )


def _reject_kinds(options: FileOptions, why: str) -> None:
    for option, names in (
        ("categorical", options.categorical),
        ("numeric", options.numeric),
        ("ignore", options.ignore),
        ("bins", options.bins),
    ):
        if names:
            raise InputFileError(f"{why}.", next_step=f"Omit --{option}.")


def contract_of(given: Contract | str | Path | None) -> Contract | None:
    """Load the contract from a file or by its packaged name. A contract or None is returned unchanged."""
    if given is None or not isinstance(given, str | Path):
        return given
    from pmmds_core.contracts.contract import PACKAGED, load_contract

    is_packaged = str(given) == PACKAGED.removesuffix(".yaml") and not Path(given).exists()
    return load_contract("" if is_packaged else given)


def _saved_profile(path: Path) -> ReferenceProfile | None:
    """Return the profile saved at `path`, or None if the file contains rows or does not exist."""
    if not path.is_file() or path.stat().st_size > MAX_PROFILE_BYTES:
        return None
    with path.open("rb") as file:
        if file.read(1) != b"{":
            return None
        raw = b"{" + file.read()
    try:
        return ReferenceProfile.from_json(raw)
    except msgspec.DecodeError as error:
        # The file is a CSV file whose first name starts with a brace.
        if not raw[1:].lstrip().startswith(b'"'):
            return None
        raise InputFileError(
            f"{path} is not a saved profile: {str(error).rstrip('.')}.",
            next_step="Save one with `pmmds drift compare … --save-profile FILE`.",
        ) from None


def _contract_of_profile(path: Path, profile: ReferenceProfile, contract: Contract | None) -> Contract | None:
    """Return the contract with which the profile was created. The packaged contract is the default.

    Raises:
        InputFileError: the given contract is a different one, or one is required.
    """
    if contract is None and profile.contract_digest:
        from pmmds_core.contracts.contract import load_contract

        contract = load_contract("")
    if (contract.digest if contract else "") == profile.contract_digest:
        return contract
    made = "with a different contract" if profile.contract_digest else "without a contract"
    raise InputFileError(
        f"The profile {path} was created {made}.",
        next_step="Pass the same --contract as when the profile was saved.",
    )


def _of_saved(saved: ReferenceProfile, columns: Sequence[str], score: str, options: FileOptions) -> FileProfile:
    _reject_kinds(replace(options, ignore=frozenset()), "The kinds and bins come from the saved profile")
    names = [f.bins.feature for f in saved.features]
    reject_unknown((*columns, *sorted(options.named)), names, "The saved profile")
    chosen = set(columns or names) - options.ignore
    selected = tuple(f for f in saved.features if f.bins.feature in chosen)
    if score and saved.score is None:
        raise InputFileError("The saved profile has no score.", next_step="Omit --score.")
    notes = [ColumnNote(f.bins.feature, f.bins.kind, "from the saved profile") for f in selected]
    profile = msgspec.structs.replace(saved, features=selected, score=saved.score if score else None)
    return FileProfile(profile, tuple(notes))
