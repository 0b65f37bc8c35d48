"""What a failure of MLflow or of its artifact store means for a person: one sentence, and the next step.

Add a row where a store refuses for a reason that a person can do something about. Keep out: what is asked of MLflow
(model_registry.py) and retries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_core.errors import PmmdsError, RegistryUnavailableError

CHECK_MLFLOW = "Check PMMDS_MLFLOW_TRACKING_URI, and that the server runs (`pmmds status`)."
CHECK_ARTIFACTS = (
    "Check that the server runs (`pmmds status`); if it does, its log says why (`pmmds logs mlflow`): "
    "the store that it keeps the artifacts in may have refused."
)
CHECK_STORE = (
    "Check PMMDS_MLFLOW_ARTIFACT_ROOT, MLFLOW_S3_ENDPOINT_URL and the credentials (AWS_…) "
    "of the process that keeps the artifacts."
)

_LONGEST = 300
_DOUBLE = '"'
_STORE_MODULES = ("boto3", "botocore")
# MLflow's own sentence only says that files failed; the next lines say which, and why.
_FAILED_FILE = re.compile(r"^##### File (?P<path>.*) #####$\n(?P<why>.*)", re.MULTILINE)
# And that it asked in vain more than once, before it says why.
_IN_VAIN = re.compile(r"^(?P<what>.*?) failed with exception .*\(Caused by \w+\((?:.*: )?(?P<why>.*?)\)\)$")
_QUOTED = re.compile(r"'([^']+)'")
_THROUGH_SERVER = "/mlflow-artifacts/"
# MLflow repeats the address that it asked, with the user and the password that stand in it.
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
# What boto3 puts before the reason, with the name of a temporary file.
_BOTO_PREAMBLE = re.compile(r"^.*An error occurred \((?P<code>\w+)\) when calling the \w+ operation[^:]*: ")


@contextmanager
def told(tracking_uri: str, artifact_root: str, own_error: type[Exception]) -> Iterator[None]:
    """What MLflow (`own_error`), its transports and its artifact store raise, as one sentence.

    Raises:
        RegistryUnavailableError: instead of theirs.
    """
    try:
        yield
    except Exception as error:
        found = _translated(error, tracking_uri, artifact_root, own_error)
        if found is None:
            raise
        raise found from error


def _translated(
    error: Exception, tracking_uri: str, artifact_root: str, own_error: type[Exception]
) -> RegistryUnavailableError | None:
    """None for what is neither MLflow's nor its stores' failure, or is told already."""
    if isinstance(error, PmmdsError):
        return None
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    has_server = tracking_uri.startswith("http")
    store_place = "" if has_server or not artifact_root else f" {artifact_root}"
    if isinstance(error, ModuleNotFoundError) and error.name in _STORE_MODULES:
        return RegistryUnavailableError(
            f"The artifact store{store_place} needs the Python module {error.name}, which is not installed here.",
            next_step="Install PMMDS with its extra s3.",
        )
    if (cause := _store_failure(error)) is not None:
        return RegistryUnavailableError(
            f"The artifact store{store_place} did not do what was asked: {_reason(cause)}.", next_step=CHECK_STORE
        )
    if isinstance(error, (own_error, RequestException, SQLAlchemyError, OSError)):
        return RegistryUnavailableError(
            f"MLflow at {masked(tracking_uri)} did not do what was asked: {_reason(error)}.",
            next_step=CHECK_ARTIFACTS if _THROUGH_SERVER in str(error) else CHECK_MLFLOW,
        )
    return None


def _store_failure(error: BaseException) -> BaseException | None:
    """The failure of boto3 that `error` is or was raised for; boto3 is imported where a store of its kind is used."""
    if "botocore" not in sys.modules or "boto3" not in sys.modules:
        return None
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    kinds: tuple[type[BaseException], ...] = (ClientError, BotoCoreError, Boto3Error)
    raised_for = [e for e in _chain(error) if isinstance(e, kinds)]
    return raised_for[-1] if raised_for else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """The first line that says why."""
    text = str(error).strip()
    if failed := _FAILED_FILE.search(text):
        return f"{failed['path']} could not be fetched: {_short(failed['why'])}"
    return _short(text.splitlines()[0] if text else type(error).__name__)


def _short(line: str) -> str:
    if boto := _BOTO_PREAMBLE.match(line):
        line = f"{line[boto.end() :].rstrip('.')} ({boto['code']})"
    elif vain := _IN_VAIN.match(line):
        line = f"{vain['what']} failed: {[vain['why'].strip(_DOUBLE), *_QUOTED.findall(vain['why'])][-1]}"
    return _CREDENTIALS.sub("://***@", line).strip().rstrip(".")[:_LONGEST]


def masked(uri: str) -> str:
    """A URI without user and password."""
    if "@" not in uri:
        return uri
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://***@{rest.rsplit('@', 1)[1]}"
