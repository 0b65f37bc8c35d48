"""Reading saved profiles."""

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


def test_a_profile_survives_a_round_trip(profile: ReferenceProfile) -> None:
    assert ReferenceProfile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"features": [{"bins": {"kind": "numeric"}, "counts": []}]}', b'{"features": 3}']
)
def test_invalid_json_raises_a_decode_error(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        ReferenceProfile.from_json(raw)
