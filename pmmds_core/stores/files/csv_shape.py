"""Reads a CSV file's column names, line endings and row count, and checks UTF-8, independently of the main CSV reader.

DuckDB 2.0 reads large files in pieces and may silently drop the rest of a piece after a malformed line, so its row
count is compared with this one. Not here: the dialect (data/csv_dialect.py) and values (DuckDB reads them).
"""

from __future__ import annotations

import codecs
import csv
import io
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pmmds_core.data.compressed import DAMAGED, open_decompressed
from pmmds_core.data.csv_dialect import N_SAMPLED_ROWS, CsvDialect, dialect_of, name_problem
from pmmds_core.errors import InputFileError

CHUNK_BYTES = 4_000_000
QUOTE, LINE_FEED, CARRIAGE_RETURN = b'"'[0], b"\n"[0], b"\r"[0]


@dataclass(frozen=True)
class CsvShape:
    """Layout of a CSV file. `new_line`: the header's line ending; `has_mixed_ends`: some rows have a different one.

    `names`: empty for a column without a name. `n_rows`: without header and blank lines. `n_skipped`: lines before the
    header.
    """

    delimiter: str
    new_line: str
    names: tuple[str, ...]
    n_rows: int
    has_mixed_ends: bool = False
    n_skipped: int = 0


def shape_of_csv(path: Path, delimiter: str = "") -> CsvShape:
    """Read the shape of a CSV file, which may be compressed, in one pass. `delimiter`: empty to detect it.

    Raises:
        InputFileError: not UTF-8, no header, or a quote that is not closed.
        OSError: the file cannot be read.
    """
    chunks = _chunks(path)
    start = next(chunks, b"")
    new_line, dialect = _header(path, start, delimiter)
    ends = _LineEnds(path, new_line)
    ends.add(start)
    for chunk in chunks:
        ends.add(chunk)
    # Line breaks inside quotes do not count, so a header may span several lines of text.
    counts_blank = len(dialect.names) == 1
    n_before = dialect.n_skipped if counts_blank else dialect.n_skipped - dialect.n_blank
    n_rows = ends.finish(counts_blank=counts_blank) - 1 - n_before
    if ends.is_mixed:
        _check_widths(path, dialect)
    return CsvShape(dialect.delimiter, new_line, dialect.names, n_rows, ends.is_mixed, dialect.n_skipped)


def _chunks(path: Path) -> Iterator[bytes]:
    with open_decompressed(path) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except DAMAGED as error:
            raise InputFileError(
                f"{path} cannot be decompressed: {str(error).rstrip('.')}.",
                next_step="Check that the file is complete.",
            ) from None


def _header(path: Path, start: bytes, delimiter: str) -> tuple[str, CsvDialect]:
    text = start.decode("utf-8-sig", errors="replace")  # _LineEnds reports bytes that are not UTF-8
    # Do not use splitlines(), which also splits at other characters.
    mark = "\r" if "\n" not in text and "\r" in text else "\n"
    lines = [line + mark for line in text.split(mark, N_SAMPLED_ROWS * 4)]
    try:
        dialect = dialect_of(lines[:-1] or lines, delimiter)
    except csv.Error as error:
        raise not_csv(path, f"its header: {error}") from None
    if problem := name_problem(dialect.names):
        raise not_csv(path, problem)
    first = lines[dialect.n_header_lines - 1]
    new_line = "\r" if mark == "\r" else "\r\n" if first.endswith("\r\n") else "\n"
    return new_line, dialect


class _LineEnds:
    """Counts line endings outside quotes across the chunks of a file."""

    def __init__(self, path: Path, new_line: str) -> None:
        self._path = path
        self._mark = CARRIAGE_RETURN if new_line == "\r" else LINE_FEED
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_quoted = False
        self._n_bytes = 0
        self._last_end = -1
        self._last_byte = 0
        self._n_lines = 0
        self._n_blank = 0
        self._n_with_return = 0

    @property
    def is_mixed(self) -> bool:
        """True if some lines end with CR LF and others with LF alone."""
        return 0 < self._n_with_return < self._n_lines

    def add(self, chunk: bytes) -> None:
        self._check(chunk)
        data = np.frombuffer(chunk, dtype=np.uint8)
        at = self._ends(data)
        before = np.where(at > 0, data[at - 1], self._last_byte) == CARRIAGE_RETURN if len(at) else at == 0
        has_return = before & (self._mark == LINE_FEED)
        ends = at + self._n_bytes
        self._n_blank += int((np.diff(ends, prepend=self._last_end) == 1 + has_return).sum())
        self._n_with_return += int(has_return.sum())
        self._n_lines += len(ends)
        self._last_end = int(ends[-1]) if len(ends) else self._last_end
        self._n_bytes += len(chunk)
        self._last_byte = chunk[-1] if chunk else self._last_byte

    def finish(self, *, counts_blank: bool) -> int:
        """The number of lines; blank lines count only in a file with one column, as missing values."""
        self._check(b"", final=True)
        if self._is_quoted:
            raise not_csv(self._path, "a quote is not closed")
        has_open_line = self._last_end < self._n_bytes - 1
        return self._n_lines + has_open_line - (0 if counts_blank else self._n_blank)

    def _check(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            reason = f"line {self._line_at(chunk, error.start)} is not UTF-8"
            raise not_csv(self._path, reason, next_step=_convert(self._path)) from None
        if "\0" in text:
            raise not_csv(self._path, f"line {self._line_at(chunk, chunk.index(0))} contains a NUL byte")

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


def _check_widths(path: Path, dialect: CsvDialect) -> None:
    """Raise InputFileError for the first row whose number of cells differs from the header's.

    DuckDB reads mixed line endings only in a mode that drops surplus cells.
    """
    with io.TextIOWrapper(open_decompressed(path), encoding="utf-8-sig", newline="") as file:
        for _ in range(dialect.n_header_lines):
            file.readline()
        reader = csv.reader(file, delimiter=dialect.delimiter, strict=True)
        try:
            for row in reader:
                if row and len(row) != len(dialect.names):
                    line = dialect.n_header_lines + reader.line_num
                    raise not_csv(path, f"line {line} has {len(row)} cells, but the header has {len(dialect.names)}")
        except csv.Error as error:
            raise not_csv(path, f"line {reader.line_num}: {error}") from None


def not_csv(path: Path, reason: str, next_step: str = "") -> InputFileError:
    return InputFileError(
        f"{path} cannot be read as CSV in UTF-8: {reason}.",
        next_step=next_step or "Save it as a CSV file in UTF-8 or as Parquet.",
    )


def _convert(path: Path) -> str:
    """Advice on converting a file that is probably encoded in Windows-1252."""
    output = shlex.quote(f"{path.stem}-utf8.csv")
    return (
        "Save it as a CSV file in UTF-8 or as Parquet. If it is encoded in Windows-1252, run: "
        f"iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(str(path))} > {output}"
    )
