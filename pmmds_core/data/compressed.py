"""Opens data files that may be compressed with gzip or Zstandard, which are recognized by their first bytes.

Not here: what the content is (text_table.py, stores/files/data_file.py).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO, Literal, cast

Compression = Literal["none", "gzip", "zstd"]

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# File formats that people rename to .csv or export by mistake, with the first bytes of such files.
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"ARROW1": "an Arrow (Feather) file",
    b"ORC": "an ORC file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def compression_of(path: Path) -> Compression:
    """Detect the compression from the first bytes of the file. Raises OSError if the file cannot be read."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "none")


def open_decompressed(path: Path) -> BinaryIO:
    """Open the file for reading.

    Raises OSError if the file cannot be opened. Reading from it raises OSError if the file is damaged.
    """
    match compression_of(path):
        case "none":
            return path.open("rb")
        case "gzip":
            return cast("BinaryIO", gzip.open(path, "rb"))
        case "zstd":
            import pyarrow as pa

            return cast("BinaryIO", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))


# The errors that reading a damaged compressed file can raise.
DAMAGED = (OSError, EOFError, zlib.error)


def other_format(start: bytes) -> str:
    """Return the file format that the first bytes indicate, or an empty string if the file may be CSV or Parquet."""
    return next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), "")
