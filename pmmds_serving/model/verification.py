"""Whether a fetched version may be served: its files against the record of its promotion.

Add a way to trust here. Keep out: fetching (watcher.py), recording (pmmds_core/workflows/promotion.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.errors import ArtifactCorruptError, ModelNotTrustedError, PmmdsError
from pmmds_core.models.bundle import BundleFiles, pickle_refused

# What is known of a version that is served; the stamp and /healthz say it.
RECORDED = "recorded"  # its files are those that were promoted
NO_RECORD = "no record"  # a person moved the alias, or the promotion is older than the record
NOT_READ = "record not read"  # the database is away
NOT_ASKED = "not asked"  # PMMDS_MODEL_TRUST=any

# PMMDS_MODEL_TRUST → what is served and need not be asked again.
_SETTLED = {
    "any": frozenset({RECORDED, NO_RECORD, NOT_READ, NOT_ASKED}),
    "unaltered": frozenset({RECORDED, NO_RECORD}),
    "recorded": frozenset({RECORDED}),
}


@dataclass(frozen=True)
class Judgement:
    """What is known of files that were read and not loaded yet, and whether a pickle among them may be loaded."""

    trust: str
    may_unpickle: bool = False


class ModelTrust:
    """Compares versions with their promotion records."""

    def __init__(self, mode: str, record: Callable[[str], str | None], *, pickle: str = "refused") -> None:
        """
        Args:
            mode: PMMDS_MODEL_TRUST.
            pickle: PMMDS_MODEL_PICKLE.
            record: version → files digest as promoted, None without one; raises PmmdsError when nobody can look.
        """
        self._mode = mode
        self._pickle = pickle
        self._record = record

    def is_settled(self, found: str) -> bool:
        """Whether a version of which this is known may go on being served without another look."""
        return found in _SETTLED[self._mode]

    def judge_files(self, version: str, files: BundleFiles) -> Judgement:
        """What is known of files before anything of them is loaded.

        A pickle needs PMMDS_MODEL_PICKLE=allowed and a record of its digest, whatever PMMDS_MODEL_TRUST says.

        Raises:
            ArtifactCorruptError: the files are not those that were promoted.
            ModelNotTrustedError: they lack the record that they need, or hold a pickle that is refused.
        """
        if not files.is_pickle:
            return Judgement(self.judge(version, files.files_digest))
        if self._pickle != "allowed":
            raise pickle_refused(files)
        found = ModelTrust("recorded", self._record).judge(version, files.files_digest)
        return Judgement(NOT_ASKED if self._mode == "any" else found, may_unpickle=True)

    def judge(self, version: str, files_digest: str) -> str:
        """What is known of a version's files.

        Raises:
            ArtifactCorruptError: the files are not those that were promoted.
            ModelNotTrustedError: there is no record, or it cannot be read, and PMMDS_MODEL_TRUST demands it.
        """
        if self._mode == "any":
            return NOT_ASKED
        try:
            recorded = self._record(version)
        except PmmdsError:
            return self._without(version, NOT_READ)
        if recorded is None:
            return self._without(version, NO_RECORD)
        if recorded != files_digest:
            raise ArtifactCorruptError(
                f"The files of v{version} are not those that were promoted "
                f"(digest {files_digest[:12]}… instead of {recorded[:12]}…).",
                next_step="Find out who changed them; promote another version, or train again.",
            )
        return RECORDED

    def _without(self, version: str, found: str) -> str:
        if self._mode != "recorded":
            return found
        if found == NOT_READ:
            raise ModelNotTrustedError(
                f"v{version} is not served: its promotion record cannot be read.",
                next_step="Bring the database back; it is asked again by itself.",
            )
        raise ModelNotTrustedError(
            f"v{version} is not served: no promotion record has its files' digest (PMMDS_MODEL_TRUST=recorded).",
            next_step="Move the alias back; if you vouch for it, "
            f"`pmmds rollback --to {version} --unrecorded --by YOU` records it.",
        )
