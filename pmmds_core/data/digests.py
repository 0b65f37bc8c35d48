"""Computes digests of a data frame, of its rows in any order, and of each row.

The digests are the same on every machine. Not here: which digest identifies a row (row_identity.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_NULL = np.uint64(0x9E3779B97F4A7C15)


def content_digest(frame: pd.DataFrame) -> str:
    """Return the sha256 of the column names, types (number or text), values and row order. The index is ignored."""
    whole = hashlib.sha256()
    for column in frame.columns:
        values = frame[column]
        kind = "number" if values.dtype.kind in "iufb" else "text"
        whole.update(f"{column}\0{kind}\0{len(values)}\0".encode())
        whole.update(_number_bits(values).tobytes() if kind == "number" else _text_bytes(values))
    return whole.hexdigest()


def unordered_digest(frame: pd.DataFrame) -> str:
    """Return the sha256 of the column names and the sorted rows, which does not depend on the order of the rows."""
    lines = sorted("\x1f".join(map(_canonical, row)) for row in frame.itertuples(index=False, name=None))
    header = "\x1f".join(map(str, frame.columns))
    return hashlib.sha256("\n".join([header, *lines]).encode()).hexdigest()


def row_digests(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """Return a stable 64-bit hash of the `columns` of each row, as an array of shape (n_rows,).

    Equal rows have equal digests, even if whole numbers are int in one frame and float in the other. The probability of
    any collision among a million distinct rows is about 3e-8. Each value is mixed with SplitMix64's finalizer (Steele,
    Lea and Flood 2014).
    """
    digests = np.zeros(len(frame), dtype=np.uint64)
    for column in columns:
        values = frame[column]
        hashes = _number_bits(values) if values.dtype.kind in "iufb" else _text_hashes(values)
        digests = _mix(digests ^ _mix(hashes ^ _hash(column)))
    return digests.view(np.int64)


def extended_digests(digests: NDArray[np.int64], numbers: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Return the row digests extended by one more integer column. All arrays have shape (n,)."""
    mixed = _mix(digests.view(np.uint64) ^ _mix(numbers.view(np.uint64) ^ _hash(name)))
    return mixed.view(np.int64)


def _number_bits(values: pd.Series[Any]) -> NDArray[np.uint64]:
    numbers = values.to_numpy(dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    bits = numbers.view(np.uint64).copy()
    bits[np.isnan(numbers)] = _NULL
    return bits


def _text_bytes(values: pd.Series[Any]) -> bytes:
    # The length before each text keeps ("ab", "c") and ("a", "bc") apart.
    parts = (b"-" if text is None else b"%d:%b" % (len(text), text) for text in map(_encoded, values.tolist()))
    return b"".join(parts)


def _encoded(value: Any) -> bytes | None:
    return None if value is None or value != value else str(value).encode()


def _text_hashes(values: pd.Series[Any]) -> NDArray[np.uint64]:
    import pandas as pd

    codes, distinct = pd.factorize(values.to_numpy(dtype=object))
    table = np.array([*(_hash(str(text)) for text in distinct), _NULL], dtype=np.uint64)
    hashes: NDArray[np.uint64] = table[codes]  # a missing value has code -1: the last entry
    return hashes


def _hash(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _canonical(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, str):
        return f"={value}"
    return repr(float(value) + 0.0)
