"""Reference profiles round-trip through JSON; invalid JSON raises a decoding error."""

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


def test_a_profile_round_trips_through_json(profile: ReferenceProfile) -> None:
    assert ReferenceProfile.from_json(profile.to_json()) == profile


def test_a_missing_bin_count_raises_a_decoding_error(profile: ReferenceProfile) -> None:
    document = msgspec.json.decode(profile.to_json())
    del document["features"][0]["counts"][-1]
    with pytest.raises(msgspec.ValidationError, match="counts for"):
        ReferenceProfile.from_json(msgspec.json.encode(document))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"features": [{"bins": {"kind": "numeric"}, "counts": []}]}', b'{"features": 3}']
)
def test_json_that_is_not_a_profile_raises_a_decoding_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        ReferenceProfile.from_json(raw)
