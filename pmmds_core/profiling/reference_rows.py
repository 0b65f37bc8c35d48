"""Binned reference rows: the bin numbers of a sample of the reference rows, stored with the model version.

Counts describe single features, while tests of feature pairs and segments need rows. Not here: the rules that use
them (drift/rules/joint.py, drift/segments.py).
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

# Larger references are sampled. 10,000 rows of 19 features take about 100 KB.
MAX_ROWS = 10_000
_ON_DISK = "<u2"  # Little-endian, so that the file is the same on every machine


class ReferenceRows(msgspec.Struct, frozen=True, dict=True):
    """Bin numbers of reference rows, without values or ids.

    `packed` has one (n_rows,) uint16 array after another, by feature, compressed with zlib. `profile_digest` is the
    digest of the profile that defines the bins.
    """

    profile_digest: str
    features: tuple[str, ...]
    n_rows: int
    packed: bytes

    @cached_property
    def codes(self) -> Codes:
        """Bin numbers, (n_rows, n_features), in the order of `features`.

        Raises ArtifactCorruptError if there are too many rows.
        """
        n_bytes = len(self.features) * self.n_rows * np.dtype(_ON_DISK).itemsize
        if self.n_rows > MAX_ROWS:
            raise ArtifactCorruptError(
                f"A version can have at most {MAX_ROWS:,} reference rows, but this one has {self.n_rows:,}."
            )
        unpacked = zlib.decompressobj().decompress(self.packed, n_bytes + 1)  # corrupt data must not decompress to more
        flat = np.frombuffer(unpacked, dtype=_ON_DISK)
        return flat.reshape(len(self.features), self.n_rows).T.astype(np.int32)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(raw: bytes) -> ReferenceRows:
        """Decode reference rows. Raises msgspec.DecodeError if `raw` is not their JSON."""
        return msgspec.json.decode(raw, type=ReferenceRows)


def fit_reference_rows(
    profile: ReferenceProfile, columns: Mapping[str, NDArray[Any]], scores: NDArray[np.float64], seed: int
) -> ReferenceRows:
    """Bin at most MAX_ROWS of the profile's reference rows, drawn without replacement.

    Args:
        profile: the bins.
        columns: (n,) array by feature, as for reference_profile.fit_profile.
        scores: (n,) probabilities.
        seed: seed of the sample.
    """
    n = len(scores)
    chosen = np.arange(n) if n <= MAX_ROWS else np.sort(np.random.default_rng(seed).choice(n, MAX_ROWS, replace=False))
    codes = code_rows(profile, {**columns, SCORE: scores})[chosen]
    names = tuple(f.bins.feature for f in profile.with_score)
    packed = zlib.compress(codes.T.astype(_ON_DISK).tobytes(), 9)
    return ReferenceRows(profile.digest, names, len(chosen), packed)


def code_rows(profile: ReferenceProfile, columns: Mapping[str, NDArray[Any]]) -> Codes:
    """Return bin numbers, (n, n_features), in the order of `profile.with_score`.

    Raises:
        DataError: a column is missing.
    """
    missing = [f.bins.feature for f in profile.with_score if f.bins.feature not in columns]
    if missing:
        raise DataError(f"Rows cannot be binned: missing column {missing[0]}.", next_step="Pass every feature.")
    return np.stack([code_column(f.bins, columns[f.bins.feature]) for f in profile.with_score], axis=1)


def code_column(bins: FeatureBins, values: NDArray[Any]) -> Codes:
    """Return the bin number of each value, (n,); np.bincount of the result equals count_numeric or count_categorical.

    `values` are numbers with NaN for null, or strings with None or NaN for null.
    """
    if bins.kind == "categorical":
        index = {c: i for i, c in enumerate(bins.categories)}
        numbers_of_bins = [bins.null_index if v is None or v != v else index.get(v, bins.unseen_index) for v in values]
        return np.array(numbers_of_bins, dtype=np.int32)
    numbers = values.astype(np.float64)
    interval = np.searchsorted(bins.edges, numbers, side="left")
    codes = np.array(bins.bin_of_interval, dtype=np.int32)[interval]
    codes[~((numbers >= bins.lowest) & (numbers <= bins.highest))] = bins.n_values + 1
    codes[np.isnan(numbers)] = bins.null_index
    return codes
