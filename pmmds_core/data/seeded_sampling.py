"""Computes a seeded pseudo-random number per row digest, for reproducible splits and samples.

Not here: splitting and sampling (training/split.py, training/mix.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def seeded_uniform(digests: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Numbers in [0, 1), (n,), that depend only on the digest and the seed (SplitMix64's finalizer)."""
    mixed = digests.astype(np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is intended
        mixed = mixed + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform: NDArray[np.float64] = (mixed ^ (mixed >> np.uint64(31))) / np.float64(2**64)
    return uniform
