"""Downloads a contract's public data set from OpenML, verifies its content and saves it as CSV.

Not here: what the rows mean (data/reader.py) and which source is in use
(reference_source.py).
"""

from __future__ import annotations

import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from pmmds_core.contracts.contract import Contract, OpenML
from pmmds_core.data.digests import unordered_digest
from pmmds_core.data.reader import SourceData, source_from_frame
from pmmds_core.errors import DataError, HomeNotWritableError, UsageError
from pmmds_core.runtime.atomic_write import replacing
from pmmds_core.runtime.private_folders import make_private
from pmmds_core.stores.files.reference_source import downloaded_path

if TYPE_CHECKING:
    import pandas as pd

TIMEOUT_SECONDS = 30.0
_NEXT_STEP = "Retry later, or set PMMDS_DATA_PATH to a copy of the file; nothing was saved."


@dataclass(frozen=True)
class DownloadResult:
    """The downloaded file. `digest`: frame_digest.unordered_digest of its rows.

    `is_verified`: False if the contract has no `content_sha256` to compare with.
    """

    path: Path
    n_rows: int
    digest: str
    is_verified: bool


def download(contract: Contract, home: Path, *, timeout_seconds: float = TIMEOUT_SECONDS) -> DownloadResult:
    """Download the contract's public data set into `home`, atomically replacing an earlier download.

    Args:
        contract: names the data set, its columns and the digest of its content.
        home: PMMDS_HOME.
        timeout_seconds: timeout for connecting and for each read.

    Raises:
        UsageError: the contract names no data set.
        DataError: OpenML is unreachable or lacks the data set, the rows are invalid, or the content differs.
        HomeNotWritableError: the file cannot be written.
    """
    if contract.openml is None:
        raise UsageError(
            f"The contract {contract.name!r} specifies no OpenML data set.",
            next_step="Set PMMDS_DATA_PATH to a CSV or Parquet file that matches it, or add `openml` to the contract.",
        )
    data = source_from_frame(_fetch(contract.openml, timeout_seconds), contract, f"OpenML's {contract.openml.name}")
    digest = unordered_digest(data.frame)
    expected = contract.openml.content_sha256
    if expected and digest != expected:
        raise DataError(
            f"OpenML's {contract.openml.name} does not have the content that the contract {contract.name!r} expects: "
            f"sha256 {digest} instead of {expected}.",
            next_step="Nothing was saved. If the change is intended, put the new sha256 into the contract.",
        )
    path = downloaded_path(home, contract)
    _write(home, path, _as_file(data, contract))
    return DownloadResult(path, data.n_rows, digest, bool(expected))


def _fetch(wanted: OpenML, timeout_seconds: float) -> pd.DataFrame:
    """Fetch all columns including the label, and remove ARFF's quotes from text."""
    from sklearn.datasets import fetch_openml

    try:
        with _quiet(timeout_seconds), tempfile.TemporaryDirectory(prefix="pmmds-openml-") as cache:
            bunch = fetch_openml(
                wanted.name,
                version=wanted.version,
                target_column=None,
                data_home=cache,
                parser="pandas",
                as_frame=True,
                n_retries=1,
            )
    except (OSError, EOFError, HTTPException, ValueError, LookupError) as error:
        raise DataError(
            f"OpenML's {wanted.name} (version {wanted.version}) could not be downloaded: {_reason(error)}.",
            next_step=_NEXT_STEP,
        ) from None
    frame: pd.DataFrame = bunch.frame
    return frame.map(_unquoted)


@contextmanager
def _quiet(timeout_seconds: float) -> Iterator[None]:
    """Set a socket timeout, which scikit-learn does not, and suppress its warnings.

    It would warn about retries and withdrawn data sets, but PMMDS checks the content's digest instead.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: BaseException) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"the server returned {error.code} {error.reason}".rstrip()
    if isinstance(error, URLError):
        return f"the server cannot be reached ({error.reason})"
    if isinstance(error, TimeoutError):
        return "the server did not respond in time"
    if isinstance(error, LookupError):
        return f"the server's response has no {error}"
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _unquoted(value: Any) -> Any:
    """Remove the single quotes that scikit-learn leaves around ARFF text that is not an enumeration."""
    is_quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == "'"
    return value[1:-1] if is_quoted else value


def _as_file(data: SourceData, contract: Contract) -> pd.DataFrame:
    """Return the rows with the source's column names and label texts."""
    label = contract.label
    texts = {1: label.positive, 0: label.negative}
    frame = data.frame.assign(**{label.name: data.frame[label.name].map(texts)})
    return frame.rename(columns={f.name: f.source for f in contract.features} | {label.name: label.source})


def _write(home: Path, path: Path, frame: pd.DataFrame) -> None:
    try:
        make_private(home)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            frame.to_csv(unfinished, index=False)
    except OSError as error:
        raise HomeNotWritableError(
            f"The file {path} cannot be written: {error.strerror}.", next_step="Check PMMDS_HOME and its free space."
        ) from None
