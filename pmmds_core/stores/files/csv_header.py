"""Reads a CSV file's header, line ends and row count, and checks UTF-8, independently of the main CSV reader.

DuckDB 2.0 reads large files in pieces and may silently drop the rest of a piece after a malformed line, so its row
count is compared with this one. Not here: values (DuckDB reads them).
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError

# Delimiters of the header line.
DELIMITERS = (",", ";", "\t", "|")
CHUNK_BYTES = 4_000_000
QUOTE, LINE_FEED, CARRIAGE_RETURN = b'"'[0], b"\n"[0], b"\r"[0]


@dataclass(frozen=True)
class CsvShape:
    """`new_line`: the line end of the header and all rows. `n_rows`: without header and blank lines."""

    delimiter: str
    new_line: str
    names: tuple[str, ...]
    n_rows: int


def shape_of_csv(path: Path) -> CsvShape:
    """Read the shape of a CSV file in one pass.

    Raises:
        InputFileError: not UTF-8, no header, or a quote that is not closed.
        OSError: the file cannot be read.
    """
    chunks = _chunks(path)
    start = next(chunks, b"")
    delimiter, new_line, names = _header(path, start)
    ends = _LineEnds(path, new_line)
    ends.add(start)
    for chunk in chunks:
        ends.add(chunk)
    return CsvShape(delimiter, new_line, names, ends.finish(counts_blank=len(names) == 1) - 1)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _header(path: Path, start: bytes) -> tuple[str, str, tuple[str, ...]]:
    text = start.decode("utf-8-sig", errors="replace")  # _LineEnds reports bytes that are not UTF-8
    # Not splitlines(), which also splits at other characters.
    lines = [line + "\n" for line in text.split("\n")]
    if "\n" not in text and "\r" in text:
        lines = [line + "\r" for line in text.split("\r")]
    counts = {d: lines[0].count(d) for d in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: counts[d])
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = tuple(name.strip() for name in next(reader))
    except csv.Error as error:
        raise _not_csv(path, f"its header: {error}") from None
    if not all(names) or not names:
        raise _not_csv(path, f"line 1 has no name for column {(*names, '').index('') + 1}")
    last = lines[reader.line_num - 1]
    new_line = "\r" if last.endswith("\r") else "\r\n" if last.endswith("\r\n") else "\n"
    return delimiter, new_line, names


class _LineEnds:
    """Counts line ends outside of quotes, over the chunks of a file."""

    def __init__(self, path: Path, new_line: str) -> None:
        self._path = path
        self._mark = CARRIAGE_RETURN if new_line == "\r" else LINE_FEED
        self._step = len(new_line)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_quoted = False
        self._n_bytes = 0
        self._last_end = -1
        self._n_lines = 0
        self._n_blank = 0

    def add(self, chunk: bytes) -> None:
        self._check(chunk)
        ends = self._ends(np.frombuffer(chunk, dtype=np.uint8)) + self._n_bytes
        self._n_blank += int((np.diff(ends, prepend=self._last_end) == self._step).sum())
        self._n_lines += len(ends)
        self._last_end = int(ends[-1]) if len(ends) else self._last_end
        self._n_bytes += len(chunk)

    def finish(self, *, counts_blank: bool) -> int:
        """The number of lines; blank lines count only in a file with one column, as missing values."""
        self._check(b"", final=True)
        if self._is_quoted:
            raise _not_csv(self._path, "a quote is not closed")
        has_open_line = self._last_end < self._n_bytes - 1
        return self._n_lines + has_open_line - (0 if counts_blank else self._n_blank)

    def _check(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise _not_csv(self._path, f"line {self._line_at(chunk, error.start)} is not UTF-8") from None
        if "\0" in text:
            raise _not_csv(self._path, f"line {self._line_at(chunk, chunk.index(0))} contains a NUL byte")

    def _line_at(self, chunk: bytes, position: int) -> int:
        return self._n_lines + chunk.count(self._mark, 0, position) + 1

    def _ends(self, chunk: NDArray[np.uint8]) -> NDArray[np.intp]:
        ends = np.flatnonzero(chunk == self._mark)
        quotes = np.flatnonzero(chunk == QUOTE)
        if len(quotes) == 0:
            return ends[:0] if self._is_quoted else ends
        # A doubled quote closes and reopens a quoted cell, so the parity of the preceding quotes decides.
        is_inside = (np.searchsorted(quotes, ends) + self._is_quoted) % 2 == 1
        self._is_quoted = bool((len(quotes) + self._is_quoted) % 2)
        return np.asarray(ends[~is_inside])


def _not_csv(path: Path, reason: str) -> InputFileError:
    return InputFileError(
        f"{path} is neither a Parquet file nor a CSV file in UTF-8: {reason}.", next_step="Save it as one of the two."
    )
