"""Translates failures of MLflow and its artifact store into one sentence with the next step.

Not here: calls to MLflow (model_registry.py), retries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_core.errors import PmmdsError, RegistryUnavailableError

CHECK_MLFLOW = "Check PMMDS_MLFLOW_TRACKING_URI and whether the server is running (`pmmds status`)."
CHECK_ARTIFACTS = (
    "Check that the server is running (`pmmds status`). If it is, its log shows the reason (`pmmds logs mlflow`): "
    "the artifact store may have rejected the request."
)
CHECK_STORE = (
    "Check PMMDS_MLFLOW_ARTIFACT_ROOT, MLFLOW_S3_ENDPOINT_URL and the credentials (AWS_…) "
    "of the process that stores the artifacts."
)

_MAX_LENGTH = 300
_DOUBLE = '"'
_STORE_MODULES = ("boto3", "botocore")
# MLflow's first line reports only that files failed; the following lines give the file and the reason.
_FAILED_FILE = re.compile(r"^##### File (?P<path>.*) #####$\n(?P<why>.*)", re.MULTILINE)
# After the last retry, the reason is nested in the last exception.
_RETRIES_FAILED = re.compile(r"^(?P<what>.*?) failed with exception .*\(Caused by \w+\((?:.*: )?(?P<why>.*?)\)\)$")
_QUOTED = re.compile(r"'([^']+)'")
_THROUGH_SERVER = "/mlflow-artifacts/"
# MLflow's messages contain the requested URL with user and password.
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
# boto3 starts its message with this text, which contains the name of a temporary file.
_BOTO_PREAMBLE = re.compile(r"^.*An error occurred \((?P<code>\w+)\) when calling the \w+ operation[^:]*: ")


@contextmanager
def translated_errors(tracking_uri: str, artifact_root: str, mlflow_error: type[Exception]) -> Iterator[None]:
    """Translate errors of MLflow (`mlflow_error`), its transports and its artifact store.

    Raises:
        RegistryUnavailableError: replaces these errors.
    """
    try:
        yield
    except Exception as error:
        translated = _translate(error, tracking_uri, artifact_root, mlflow_error)
        if translated is None:
            raise
        raise translated from error


def _translate(
    error: Exception, tracking_uri: str, artifact_root: str, mlflow_error: type[Exception]
) -> RegistryUnavailableError | None:
    """Return the translated error; None for other errors and for errors of PMMDS."""
    if isinstance(error, PmmdsError):
        return None
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    has_server = tracking_uri.startswith("http")
    store_place = "" if has_server or not artifact_root else f" {artifact_root}"
    if isinstance(error, ModuleNotFoundError) and error.name in _STORE_MODULES:
        return RegistryUnavailableError(
            f"The artifact store{store_place} needs the Python module {error.name}, which is not installed.",
            next_step="Install PMMDS with the extra `s3`.",
        )
    if (cause := _store_failure(error)) is not None:
        return RegistryUnavailableError(
            f"The request to the artifact store{store_place} failed: {_reason(cause)}.",
            next_step=CHECK_STORE,
        )
    if isinstance(error, (mlflow_error, RequestException, SQLAlchemyError, OSError)):
        return RegistryUnavailableError(
            f"MLflow request failed ({masked(tracking_uri)}): {_reason(error)}.",
            next_step=CHECK_ARTIFACTS if _THROUGH_SERVER in str(error) else CHECK_MLFLOW,
        )
    return None


def _store_failure(error: BaseException) -> BaseException | None:
    """Return the boto3 error in the chain of causes; boto3 is imported only if the artifacts are in S3."""
    if "botocore" not in sys.modules or "boto3" not in sys.modules:
        return None
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    kinds: tuple[type[BaseException], ...] = (ClientError, BotoCoreError, Boto3Error)
    causes = [e for e in _chain(error) if isinstance(e, kinds)]
    return causes[-1] if causes else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """Extract a one-line reason from the error's message."""
    text = str(error).strip()
    if failed := _FAILED_FILE.search(text):
        return f"{failed['path']} could not be fetched: {_short(failed['why'])}"
    return _short(text.splitlines()[0] if text else type(error).__name__)


def _short(line: str) -> str:
    if boto := _BOTO_PREAMBLE.match(line):
        line = f"{line[boto.end() :].rstrip('.')} ({boto['code']})"
    elif retries := _RETRIES_FAILED.match(line):
        reason = retries["why"]
        line = f"{retries['what']} failed: {[reason.strip(_DOUBLE), *_QUOTED.findall(reason)][-1]}"
    return _CREDENTIALS.sub("://***@", line).strip().rstrip(".")[:_MAX_LENGTH]


def masked(uri: str) -> str:
    """Return a URI with its user name and password masked."""
    if "@" not in uri:
        return uri
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://***@{rest.rsplit('@', 1)[1]}"
