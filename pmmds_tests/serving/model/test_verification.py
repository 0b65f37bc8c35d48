"""Which versions are served: their files against what their promotion recorded."""

from __future__ import annotations

import pytest

from pmmds_core.errors import ArtifactCorruptError, DatabaseUnavailableError, ModelError, ModelNotTrustedError
from pmmds_serving.model.verification import NO_RECORD, NOT_ASKED, NOT_READ, RECORDED, ModelTrust

OURS, OTHERS = "a" * 64, "b" * 64


def record(version: str) -> str | None:
    return OURS if version == "1" else None


def away(_: str) -> str | None:
    raise DatabaseUnavailableError("The database does not answer.")


@pytest.mark.parametrize("mode", ["unaltered", "recorded"])
def test_files_as_they_were_promoted_are_served(mode: str) -> None:
    trust = ModelTrust(mode, record)
    assert trust.judge("1", OURS) == RECORDED
    assert trust.is_settled(RECORDED)


@pytest.mark.parametrize("mode", ["unaltered", "recorded"])
def test_files_other_than_promoted_are_refused(mode: str) -> None:
    with pytest.raises(ArtifactCorruptError, match=r"v1 are not those that were promoted \(digest bbbbbbbbbbbb…"):
        ModelTrust(mode, record).judge("1", OTHERS)


def test_a_version_that_a_person_moved_the_alias_to_is_served_and_told_unless_records_are_demanded() -> None:
    assert ModelTrust("unaltered", record).judge("2", OTHERS) == NO_RECORD
    with pytest.raises(ModelNotTrustedError, match="no promotion record") as refused:
        ModelTrust("recorded", record).judge("2", OTHERS)
    assert "pmmds rollback --to 2 --unrecorded --by YOU" in refused.value.next_step


def test_a_record_that_cannot_be_read_is_asked_again_and_never_taken_for_one() -> None:
    lenient, strict = ModelTrust("unaltered", away), ModelTrust("recorded", away)
    assert lenient.judge("1", OURS) == NOT_READ
    assert not lenient.is_settled(NOT_READ)
    with pytest.raises(ModelError, match="cannot be read"):
        strict.judge("1", OURS)


def test_nobody_is_asked_where_any_version_may_be_served() -> None:
    assert ModelTrust("any", away).judge("1", OURS) == NOT_ASKED


def test_what_is_known_under_a_lenient_setting_is_looked_at_again_under_a_strict_one() -> None:
    strict = ModelTrust("recorded", record)
    assert [strict.is_settled(found) for found in (RECORDED, NO_RECORD, NOT_READ, NOT_ASKED, "")] == [
        True,
        *[False] * 4,
    ]
