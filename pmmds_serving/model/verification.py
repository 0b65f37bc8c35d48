"""Artifact verification: compares a fetched version's files with the digest that its promotion recorded.

Not here: fetching (fetcher.py), choosing the version (watcher.py), recording the digest
(pmmds_core/workflows/promotion.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.errors import ArtifactCorruptError, ModelNotTrustedError, PmmdsError
from pmmds_core.models.bundle import BundleFiles, pickle_refused

# Results of verifying a served version; written to the active version's file and shown by /healthz.
RECORDED = "recorded"  # the files match the digest of the promotion record
NO_RECORD = "no record"  # the alias was moved outside PMMDS, so no promotion recorded a digest
NOT_READ = "record not read"  # the database was unavailable, so the record could not be read
NOT_CHECKED = "not checked"  # PMMDS_MODEL_VERIFICATION=off

# For each value of PMMDS_MODEL_VERIFICATION, the final results: a version with one of them is not verified again.
_FINAL = {
    "off": frozenset({RECORDED, NO_RECORD, NOT_READ, NOT_CHECKED}),
    "verify_recorded": frozenset({RECORDED, NO_RECORD}),
    "require_record": frozenset({RECORDED}),
}


@dataclass(frozen=True)
class Verification:
    """The result for files that have been read but not loaded, and True if a pickle among them may be loaded."""

    result: str
    may_unpickle: bool = False


class ArtifactVerifier:
    """Compares the files of versions with their promotion records."""

    def __init__(self, mode: str, record: Callable[[str], str | None], *, pickle: str = "refused") -> None:
        """
        Args:
            mode: PMMDS_MODEL_VERIFICATION.
            pickle: PMMDS_MODEL_PICKLE.
            record: returns the recorded digest of a version's files, None if there is none; raises PmmdsError if the
                records cannot be read.
        """
        self._mode = mode
        self._pickle = pickle
        self._record = record

    def is_final(self, result: str) -> bool:
        """Return True if a version with this result needs no further verification."""
        return result in _FINAL[self._mode]

    def verify_files(self, version: str, files: BundleFiles) -> Verification:
        """Verify files before any of them is loaded.

        A pickle needs PMMDS_MODEL_PICKLE=allowed and a matching record, regardless of PMMDS_MODEL_VERIFICATION.

        Raises:
            ArtifactCorruptError: the files differ from the record.
            ModelNotTrustedError: a required record is missing, or the files contain a pickle that may not be loaded.
        """
        if not files.is_pickle:
            return Verification(self.verify(version, files.files_digest))
        if self._pickle != "allowed":
            raise pickle_refused(files)
        result = ArtifactVerifier("require_record", self._record).verify(version, files.files_digest)
        return Verification(NOT_CHECKED if self._mode == "off" else result, may_unpickle=True)

    def verify(self, version: str, files_digest: str) -> str:
        """Compare a version's digest with its promotion record and return the result.

        Raises:
            ArtifactCorruptError: the digest differs from the record.
            ModelNotTrustedError: PMMDS_MODEL_VERIFICATION requires a record, which is missing or cannot be read.
        """
        if self._mode == "off":
            return NOT_CHECKED
        try:
            recorded = self._record(version)
        except PmmdsError:
            return self._without_record(version, NOT_READ)
        if recorded is None:
            return self._without_record(version, NO_RECORD)
        if recorded != files_digest:
            raise ArtifactCorruptError(
                f"The files of v{version} differ from those that were promoted "
                f"(digest {files_digest[:12]}… instead of {recorded[:12]}…).",
                next_step="Find out who changed them. Then promote another version or train again.",
            )
        return RECORDED

    def _without_record(self, version: str, result: str) -> str:
        if self._mode != "require_record":
            return result
        if result == NOT_READ:
            raise ModelNotTrustedError(
                f"v{version} is not served: its promotion record cannot be read.",
                next_step="Restore the database; the service retries automatically.",
            )
        raise ModelNotTrustedError(
            f"v{version} is not served: no promotion recorded its digest (PMMDS_MODEL_VERIFICATION=require_record).",
            next_step="Move the alias back, or accept this version: "
            f"`pmmds rollback --to {version} --unrecorded --by YOU` records its digest.",
        )
