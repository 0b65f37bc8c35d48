"""Compare two files and return a drift report, for `pmmds drift compare` and notebooks.

    from pmmds_core.file_drift.compare import compare_files
    result = compare_files("january.parquet", "february.parquet")
    print(result.sentence)

Not here: bins and counts (profile.py), rules (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pmmds_core.config.settings import Settings
from pmmds_core.drift.comparison import FeatureDrift, compare
from pmmds_core.drift.policy import DriftRule, DriftVerdict, judge, report_document
from pmmds_core.errors import InputFileError
from pmmds_core.file_drift.column_kinds import ColumnNote, reject_other_columns
from pmmds_core.file_drift.profile import FileProfile, count_file, profile_by_contract, profile_by_values
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.stores.files.data_file import DataFile, connect, open_data_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pmmds_core.contracts.contract import Contract

# Larger files are not read as a profile.
MAX_PROFILE_BYTES = 50_000_000


@dataclass(frozen=True)
class FileComparison:
    """Comparison of a current file with a reference.

    `features`: in the reference's order. `notes`: the kind of each column. `profile`: of the reference; it can be saved
    and used in its place.
    """

    reference: str
    current: str
    n_current: int
    profile: ReferenceProfile
    features: tuple[FeatureDrift, ...]
    verdict: DriftVerdict
    rule: DriftRule
    notes: tuple[ColumnNote, ...]

    @property
    def sentence(self) -> str:
        """The verdict and its reasons."""
        return f"{str(self.verdict.verdict).replace('_', ' ').capitalize()}. {self.verdict.reason_text}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """Plain JSON values, in the format of `pmmds drift compare --json` and of a stored drift report."""
        document = report_document(self.profile, self.features, self.n_current, self.verdict)
        notes = [asdict(note) for note in self.notes]
        return {"reference": self.reference, "current": self.current, **document, "columns": notes}

    def to_html(self) -> str:
        """The report as a self-contained HTML page."""
        from pmmds_core.reports.drift_page import FilesHead, render_page

        head = FilesHead(self.reference, self.current, self.rule.psi_threshold, datetime.now(UTC))
        return render_page(self.document, head)

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
) -> FileComparison:
    """Compare two CSV or Parquet files; the format is detected from the content.

    Args:
        reference: the accepted data, on which the bins are frozen, or a saved profile.
        current: the data to compare with it.
        contract: names, kinds, ranges and the meaning of blanks; None: inferred from the reference.
        columns: without a contract, compare only these columns.
        score: column of the model's score, 0–1, in both files; reported but not counted as a feature.
        rule: thresholds; None: the defaults of the settings.

    Raises:
        InputFileError: a file is unreadable or empty, or does not match the other file or the contract.
        ContractError: the contract is invalid.
    """
    given = _contract(contract)
    connection = connect()
    try:
        reference, current = Path(reference), Path(current)
        saved = _saved_profile(reference)
        now = open_data_file(connection, current)
        if saved is None:
            made = profile_file(connection, open_data_file(connection, reference), given, columns, score, now)
        else:
            given = _contract_of_profile(reference, saved, given)
            made = _of_saved(saved, columns, score)
        counts = count_file(connection, now, made.profile, given, score, str(reference))
    finally:
        connection.close()
    arrays = {name: np.array(values, dtype=np.int64) for name, values in counts.items()}
    features = compare(made.profile, arrays, now.n_rows)
    rule = rule or DriftRule.of(Settings())
    verdict = judge(features, now.n_rows, rule)
    return FileComparison(reference.name, now.name, now.n_rows, made.profile, features, verdict, rule, made.notes)


def profile_file(
    connection: DuckDBPyConnection,
    file: DataFile,
    contract: Contract | None,
    columns: Sequence[str],
    score: str,
    current: DataFile,
) -> FileProfile:
    """The reference profile. Without a contract, both files must have the same columns unless `columns` is given."""
    if contract is not None:
        return profile_by_contract(connection, file, contract, score)
    if columns:
        chosen = [c for c in file.columns if c.name in set(columns)]
        unknown = [name for name in columns if name not in file.by_name]
        if unknown:
            raise InputFileError(
                f"{file.path} has no column {unknown[0]!r}.", next_step="Select columns of the reference."
            )
    else:
        reject_other_columns(file, current)
        chosen = list(file.columns)
    missing = [c.name for c in chosen if c.name not in current.by_name]
    if missing:
        raise InputFileError(
            f"{current.path} lacks columns that {file.path} has: {', '.join(missing[:8])}.",
            next_step="Compare files with the same columns, or name those to compare with --columns.",
        )
    return profile_by_values(connection, file, chosen, score)


def _contract(given: Contract | str | Path | None) -> Contract | None:
    if given is None or not isinstance(given, str | Path):
        return given
    from pmmds_core.contracts.contract import PACKAGED, load_contract

    is_packaged = str(given) == PACKAGED.removesuffix(".yaml") and not Path(given).exists()
    return load_contract("" if is_packaged else given)


def _saved_profile(path: Path) -> ReferenceProfile | None:
    """The profile saved at `path`; None if the file contains rows or does not exist."""
    if not path.is_file() or path.stat().st_size > MAX_PROFILE_BYTES:
        return None
    with path.open("rb") as file:
        if file.read(1) != b"{":
            return None
        raw = b"{" + file.read()
    try:
        return ReferenceProfile.from_json(raw)
    except msgspec.DecodeError as error:
        raise InputFileError(
            f"{path} is not a saved profile: {str(error).rstrip('.')}.",
            next_step="Save one with `pmmds drift compare … --save-profile FILE`.",
        ) from None


def _contract_of_profile(path: Path, profile: ReferenceProfile, contract: Contract | None) -> Contract | None:
    """The contract that the profile was made with; the packaged one is the default.

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
        f"The profile {path} was made {made}.",
        next_step="Pass the same --contract as when the profile was saved.",
    )


def _of_saved(saved: ReferenceProfile, columns: Sequence[str], score: str) -> FileProfile:
    selected = tuple(f for f in saved.features if not columns or f.bins.feature in set(columns))
    unknown = sorted(set(columns) - {f.bins.feature for f in selected})
    if unknown:
        raise InputFileError(
            f"The saved profile has no column {unknown[0]!r}.", next_step="Select columns of the profile."
        )
    if score and saved.score is None:
        raise InputFileError("The saved profile has no score.", next_step="Omit --score.")
    notes = [ColumnNote(f.bins.feature, f.bins.kind, "from the saved profile") for f in selected]
    profile = msgspec.structs.replace(saved, features=selected, score=saved.score if score else None)
    return FileProfile(profile, tuple(notes))
