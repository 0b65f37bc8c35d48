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
_ON_DISK = "<u2"  # The numbers are little-endian, so that the file is the same on every machine.


class ReferenceRows(msgspec.Struct, frozen=True, dict=True):
    """The bin numbers of reference rows, without values and ids.

    `packed` has one uint16 array of shape (n_rows,) after another, in the order of the features and compressed with
    zlib. `profile_digest` is the digest of the profile that defines the bins.
    """

    profile_digest: str
    features: tuple[str, ...]
    n_rows: int
    packed: bytes

    @cached_property
    def codes(self) -> Codes:
        """The bin numbers, with shape (n_rows, n_features), in the order of `features`.

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
        columns: arrays of shape (n,) by feature, as for reference_profile.fit_profile.
        scores: an array of shape (n,) with probabilities.
        seed: the seed of the sample.
    """
    n = len(scores)
    chosen = np.arange(n) if n <= MAX_ROWS else np.sort(np.random.default_rng(seed).choice(n, MAX_ROWS, replace=False))
    codes = code_rows(profile, {**columns, SCORE: scores})[chosen]
    names = tuple(f.bins.feature for f in profile.with_score)
    packed = zlib.compress(codes.T.astype(_ON_DISK).tobytes(), 9)
    return ReferenceRows(profile.digest, names, len(chosen), packed)


def code_rows(profile: ReferenceProfile, columns: Mapping[str, NDArray[Any]]) -> Codes:
    """Return the bin numbers in the order of `profile.with_score`, with shape (n, n_features).

    Raises:
        DataError: a column is missing.
    """
    missing = [f.bins.feature for f in profile.with_score if f.bins.feature not in columns]
    if missing:
        raise DataError(f"The rows cannot be binned: {missing[0]} is missing.", next_step="Pass every feature.")
    return np.stack([code_column(f.bins, columns[f.bins.feature]) for f in profile.with_score], axis=1)


def code_column(bins: FeatureBins, values: NDArray[Any]) -> Codes:
    """Return the bin number of each value, with shape (n,).

    Applying np.bincount to the result gives the result of count_numeric or count_categorical. `values` contains numbers
    with NaN for null, or strings with None or NaN for null.
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
