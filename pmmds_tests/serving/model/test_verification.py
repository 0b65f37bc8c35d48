"""Artifact verification compares a version's files with the digest that its promotion recorded."""

from __future__ import annotations

import pytest

from pmmds_core.errors import ArtifactCorruptError, DatabaseUnavailableError, ModelNotTrustedError
from pmmds_serving.model.verification import NO_RECORD, NOT_CHECKED, NOT_READ, RECORDED, ArtifactVerifier

PROMOTED, CHANGED = "a" * 64, "b" * 64


def record(version: str) -> str | None:
    return PROMOTED if version == "1" else None


def unavailable(_: str) -> str | None:
    raise DatabaseUnavailableError("The database did not respond.")


@pytest.mark.parametrize("mode", ["verify_recorded", "require_record"])
def test_files_that_match_their_promotion_record_are_served(mode: str) -> None:
    verifier = ArtifactVerifier(mode, record)
    assert verifier.verify("1", PROMOTED) == RECORDED
    assert verifier.is_final(RECORDED)


@pytest.mark.parametrize("mode", ["verify_recorded", "require_record"])
def test_files_that_differ_from_their_promotion_record_are_rejected(mode: str) -> None:
    with pytest.raises(ArtifactCorruptError, match=r"v1 .*\(digest bbbbbbbbbbbb… instead of aaaaaaaaaaaa…"):
        ArtifactVerifier(mode, record).verify("1", CHANGED)


def test_unrecorded_version_is_served_unless_a_record_is_required() -> None:
    assert ArtifactVerifier("verify_recorded", record).verify("2", CHANGED) == NO_RECORD
    with pytest.raises(ModelNotTrustedError, match="PMMDS_MODEL_VERIFICATION=require_record") as rejected:
        ArtifactVerifier("require_record", record).verify("2", CHANGED)
    assert "pmmds rollback --to 2 --unrecorded --by YOU" in rejected.value.next_step


def test_unreadable_record_is_read_again_and_never_counts_as_a_match() -> None:
    lenient, strict = ArtifactVerifier("verify_recorded", unavailable), ArtifactVerifier("require_record", unavailable)
    assert lenient.verify("1", PROMOTED) == NOT_READ
    assert not lenient.is_final(NOT_READ)
    with pytest.raises(ModelNotTrustedError, match="cannot be read"):
        strict.verify("1", PROMOTED)


def test_no_record_is_read_when_verification_is_off() -> None:
    assert ArtifactVerifier("off", unavailable).verify("1", PROMOTED) == NOT_CHECKED


def test_results_of_a_lenient_setting_are_verified_again_under_a_strict_one() -> None:
    strict = ArtifactVerifier("require_record", record)
    results = (RECORDED, NO_RECORD, NOT_READ, NOT_CHECKED, "")
    assert [strict.is_final(result) for result in results] == [True, *[False] * 4]
