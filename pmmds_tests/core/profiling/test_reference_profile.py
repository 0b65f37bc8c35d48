"""A saved profile is read again as it was, also one that an earlier version wrote."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import to_columns
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.synthetic.generator import packaged_generator


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    frame = packaged_generator().sample(500, 1)
    return fit_profile(contract, to_columns(frame, contract), np.linspace(0.01, 0.99, len(frame)))


def test_a_profile_is_read_as_it_was_written(profile: ReferenceProfile) -> None:
    assert ReferenceProfile.from_json(profile.to_json()) == profile


def test_a_profile_from_before_the_bins_of_odd_values_is_read_with_none_in_them(profile: ReferenceProfile) -> None:
    document = msgspec.json.decode(profile.to_json())
    for feature in [*document["features"], document["score"]]:
        if feature["bins"]["kind"] == "numeric":
            del feature["counts"][-3:-1]
    assert ReferenceProfile.from_json(msgspec.json.encode(document)) == profile


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"features": [{"bins": {"kind": "numeric"}, "counts": []}]}', b'{"features": 3}']
)
def test_what_is_no_profile_is_a_decoding_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        ReferenceProfile.from_json(raw)
