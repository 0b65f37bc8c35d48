"""Rows as bin numbers: the codes of a sample of reference rows that travel with a model version.

Counts tell of one feature at a time; what two features do together, and what happens within a segment, needs rows. Add
here what makes and keeps codes. Keep out: judging them (drift/rules/joint.py, drift/segments.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import ArtifactCorruptError, DataError
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile

Codes = NDArray[np.int32]

# All rows of a small reference, a sample of a large one: 19 features of 10,000 rows are about 100 KB.
MAX_ROWS = 10_000
_ON_DISK = "<u2"  # little-endian, so that the file is the same on every machine


class ReferenceRows(msgspec.Struct, frozen=True, dict=True):
    """Bin numbers of reference rows: no values, and no ids.

    `packed`: zlib of uint16, feature after feature, each (n_rows,). `profile_digest`: whose bins they are.
    """

    profile_digest: str
    features: tuple[str, ...]
    n_rows: int
    packed: bytes

    @cached_property
    def codes(self) -> Codes:
        """(n_rows, n_features), in the order of `features`."""
        n_bytes = len(self.features) * self.n_rows * np.dtype(_ON_DISK).itemsize
        if self.n_rows > MAX_ROWS:
            raise ArtifactCorruptError(f"A version keeps at most {MAX_ROWS:,} reference rows, not {self.n_rows:,}.")
        unpacked = zlib.decompressobj().decompress(self.packed, n_bytes + 1)  # bounded, whatever was packed
        flat = np.frombuffer(unpacked, dtype=_ON_DISK)
        return flat.reshape(len(self.features), self.n_rows).T.astype(np.int32)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(raw: bytes) -> ReferenceRows:
        """Raises msgspec.DecodeError for anything but such rows."""
        return msgspec.json.decode(raw, type=ReferenceRows)


def fit_reference_rows(
    profile: ReferenceProfile, columns: Mapping[str, NDArray[Any]], scores: NDArray[np.float64], seed: int
) -> ReferenceRows:
    """Code at most MAX_ROWS of the rows that the profile was made of, drawn without replacement.

    Args:
        profile: the frozen bins.
        columns: feature to (n,) array, as for reference_profile.fit_profile.
        scores: (n,).
        seed: of the draw.
    """
    n = len(scores)
    chosen = np.arange(n) if n <= MAX_ROWS else np.sort(np.random.default_rng(seed).choice(n, MAX_ROWS, replace=False))
    codes = code_rows(profile, {**columns, SCORE: scores})[chosen]
    names = tuple(f.bins.feature for f in profile.with_score)
    packed = zlib.compress(codes.T.astype(_ON_DISK).tobytes(), 9)
    return ReferenceRows(profile.digest, names, len(chosen), packed)


def code_rows(profile: ReferenceProfile, columns: Mapping[str, NDArray[Any]]) -> Codes:
    """(n, n_features) bin numbers, in the order of `profile.with_score`.

    Raises:
        DataError: a column is missing.
    """
    missing = [f.bins.feature for f in profile.with_score if f.bins.feature not in columns]
    if missing:
        raise DataError(f"Rows cannot be coded: there is no column {missing[0]}.", next_step="Give every feature.")
    return np.stack([code_column(f.bins, columns[f.bins.feature]) for f in profile.with_score], axis=1)


def code_column(bins: FeatureBins, values: NDArray[Any]) -> Codes:
    """The bin of each value, (n,): np.bincount of it is what count_numeric and count_categorical give.

    `values`: numbers with NaN for null, or str with None or NaN for null.
    """
    if bins.kind == "categorical":
        index = {c: i for i, c in enumerate(bins.categories)}
        found = [bins.null_index if v is None or v != v else index.get(v, bins.n_bins - 2) for v in values]
        return np.array(found, dtype=np.int32)
    numbers = values.astype(np.float64)
    codes = np.searchsorted(bins.edges, numbers, side="left").astype(np.int32)
    codes[~((numbers >= bins.lowest) & (numbers <= bins.highest))] = bins.n_bins - 3
    codes[np.isnan(numbers)] = bins.null_index
    return codes
