"""MLflow errors are translated into one sentence and a next step."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from requests.exceptions import ChunkedEncodingError

from pmmds_core.errors import NoModelError, RegistryUnavailableError
from pmmds_core.stores.artifacts.registry_errors import CHECK_ARTIFACTS, CHECK_MLFLOW, translated_errors

SERVER = "http://ann:hidden@mlflow:5000"
ASKED = "API request to http://mlflow:5000/api/2.0/mlflow/experiments/get-by-name"
RETRIED = (
    "failed with exception HTTPConnectionPool(host='mlflow', port=5000): Max retries exceeded with url: /api/2.0?name=m"
)
POOL = "HTTPConnectionPool(host='mlflow', port=5000)"
DOWNLOAD = (
    "The following failures occurred while downloading one or more artifacts from "
    "http://mlflow:5000/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts:\n"
    "##### File bundle/golden.json #####\n('Connection broken: IncompleteRead(3 bytes read)', 3)\n"
    "##### File bundle/scorer.json #####\nno"
)


def sentence_of(error: Exception) -> RegistryUnavailableError:
    with pytest.raises(RegistryUnavailableError) as caught, translated_errors(SERVER, "", MlflowException):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (f'NewConnectionError("{POOL}: Failed: [Errno 111] Connection refused")', "[Errno 111] Connection refused"),
        (f'ReadTimeoutError("{POOL}: Read timed out. (read timeout=10)")', "Read timed out. (read timeout=10)"),
        ("ResponseError('too many 500 error responses')", "too many 500 error responses"),
        (
            "ProtocolError('Connection aborted.', RemoteDisconnected('Remote end closed connection'))",
            "Remote end closed connection",
        ),
    ],
)
def test_failed_retries_report_the_underlying_cause(cause: str, why: str) -> None:
    told_as = sentence_of(MlflowException(f"{ASKED} {RETRIED} (Caused by {cause})"))
    assert told_as.message == f"MLflow request failed (http://***@mlflow:5000): {ASKED} failed: {why}."
    assert told_as.next_step == CHECK_MLFLOW


def test_the_mlflow_address_is_shown_without_its_password() -> None:
    asked = ASKED.replace("//mlflow", "//ann:hidden@mlflow")
    cause = f'NewConnectionError("{POOL}: Failed: [Errno 111] Connection refused")'
    for said in (f"{asked} {RETRIED} (Caused by {cause})", f"{asked} failed with error code 401"):
        told_as = sentence_of(MlflowException(said))
        assert "hidden" not in str(told_as)
        assert "API request to http://***@mlflow:5000/api/2.0/mlflow/experiments/get-by-name failed" in told_as.message


def test_the_error_for_a_failed_download_names_the_first_file() -> None:
    told_as = sentence_of(MlflowException(DOWNLOAD))
    assert "bundle/golden.json could not be fetched: ('Connection broken: IncompleteRead" in told_as.message
    assert told_as.next_step == CHECK_ARTIFACTS


def test_transport_errors_and_empty_messages_are_translated() -> None:
    assert "cut off" in sentence_of(ChunkedEncodingError("cut off")).message
    assert "): OSError." in sentence_of(OSError()).message


@pytest.mark.parametrize("error", [NoModelError("none"), ValueError("a mistake"), ModuleNotFoundError("x", name="x")])
def test_errors_that_do_not_come_from_mlflow_are_not_translated(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated_errors(SERVER, "", MlflowException):
        raise error
    assert caught.value is error
