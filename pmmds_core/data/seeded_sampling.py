"""Computes a seeded pseudo-random number for each row digest, for reproducible splits and samples.

Not here: splitting and sampling (training/split.py, training/mix.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def seeded_uniform(digests: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return an array of shape (n,) with numbers in [0, 1) that depend only on the digest and the seed.

    The numbers are computed with SplitMix64's finalizer.
    """
    mixed = digests.astype(np.uint64)
    # Arithmetic modulo 2^64 is intended.
    with np.errstate(over="ignore"):
        mixed = mixed + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform: NDArray[np.float64] = (mixed ^ (mixed >> np.uint64(31))) / np.float64(2**64)
    return uniform
