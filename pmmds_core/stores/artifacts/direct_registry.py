"""MLflow's registry without its Python library, which takes four seconds of processor time to import.

Contains the reads and the single upload that every monitoring run needs: by SQL if the tracking URI is a database, by
REST if it is a server, and by file access if the artifacts are in a folder. Not here: other calls and error messages.
On `DirectAccessError`, model_registry.py calls the library, which then succeeds or reports the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.stores.database.engine import CONNECT_TIMEOUT_SECONDS
from pmmds_core.stores.database.urls import parsed_url

_TIMEOUT_SECONDS = (2, 5)  # connect and read timeouts in seconds; the library retries with longer ones
_ARTIFACTS = "mlflow-artifacts:/"
_VERSION = """
SELECT name, version, run_id, creation_time FROM model_versions
WHERE workspace = 'default' AND name = :name AND version = :version AND current_stage <> 'Deleted_Internal'
"""
_TAGS = """
SELECT "key", value FROM model_version_tags WHERE workspace = 'default' AND name = :name AND version = :version
"""
_ALIAS = "SELECT version FROM registered_model_aliases WHERE workspace = 'default' AND name = :name AND alias = :alias"
_RUN = "SELECT artifact_uri FROM runs WHERE run_uuid = :run_id"


class DirectAccessError(Exception):
    """Direct access failed or is not supported for this store; fall back to MLflow's library."""


@dataclass(frozen=True)
class VersionRow:
    """A model version with the same attributes as MLflow's `ModelVersion`."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]
    creation_timestamp: int


class DirectRegistry:
    """Reads versions and artifact locations without MLflow's library. Every method may raise DirectAccessError."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._is_server = tracking_uri.startswith(("http://", "https://"))

    def by_alias(self, model_name: str, alias: str) -> VersionRow:
        """The version that `alias` points to."""
        if self._is_server:
            return _version_of(self._get("registered-models/alias", name=model_name, alias=alias))
        with self._connection() as connection:
            version = connection.scalar(sa.text(_ALIAS), {"name": model_name, "alias": alias})
            return _read_version(connection, model_name, version)

    def by_number(self, model_name: str, version: str) -> VersionRow:
        """The version with this number."""
        if self._is_server:
            return _version_of(self._get("model-versions/get", name=model_name, version=version))
        if not version.isdecimal():
            raise DirectAccessError(f"{version!r} is not a number")
        with self._connection() as connection:
            return _read_version(connection, model_name, int(version))

    def put(self, run_id: str, path: str, content: bytes) -> None:
        """Write the artifact `path` of a run, either to a local artifact store or through the server."""
        if self._is_server:
            self._upload(self._artifact_uri(run_id), path, content)
            return
        with file_errors():
            target = self.local_artifacts(run_id) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, content)

    def local_artifacts(self, run_id: str) -> Path:
        """The local folder of a run's artifacts.

        Fails for a server, because its `file:` location may be on another machine.
        """
        uri = urlsplit(self._artifact_uri(run_id))
        if self._is_server or uri.scheme not in ("", "file") or uri.netloc:
            raise DirectAccessError("the artifact store is not a local folder")
        return Path(unquote(uri.path))

    def _artifact_uri(self, run_id: str) -> str:
        if self._is_server:
            uri = self._get("runs/get", run_id=run_id).get("run", {}).get("info", {}).get("artifact_uri")
        else:
            with self._connection() as connection:
                uri = connection.scalar(sa.text(_RUN), {"run_id": run_id})
        if not uri:
            raise DirectAccessError(f"no artifact location of run {run_id}")
        return str(uri)

    def _upload(self, artifact_uri: str, path: str, content: bytes) -> None:
        if not artifact_uri.startswith(_ARTIFACTS) or artifact_uri.startswith(f"{_ARTIFACTS}/"):
            raise DirectAccessError("the server does not proxy its artifacts")
        place = quote(f"{artifact_uri.removeprefix(_ARTIFACTS).strip('/')}/{path}")
        self._request("PUT", f"mlflow-artifacts/artifacts/{place}", data=content)

    def _get(self, endpoint: str, **parameters: str) -> dict[str, Any]:
        document = self._request("GET", f"mlflow/{endpoint}", params=parameters).json()
        if not isinstance(document, dict):
            raise DirectAccessError("not an object")
        return document

    def _request(self, method: str, endpoint: str, **options: Any) -> Any:
        """Raise DirectAccessError for any status except 200, so that the library reports the problem."""
        import requests

        url = f"{self._uri.rstrip('/')}/api/2.0/{endpoint}"
        try:
            response = requests.request(method, url, timeout=_TIMEOUT_SECONDS, allow_redirects=False, **options)
        except (requests.RequestException, ValueError) as error:
            raise DirectAccessError(str(error)) from error
        if response.status_code != requests.codes.ok:
            raise DirectAccessError(f"{endpoint} answered {response.status_code}")
        return response

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        try:
            url = parsed_url(self._uri, "PMMDS_MLFLOW_TRACKING_URI", ("sqlite", "postgresql"))
            _check_supported(url)
            seconds = {"connect_timeout": CONNECT_TIMEOUT_SECONDS} if url.get_backend_name() == "postgresql" else {}
            engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=seconds)
            with engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, PmmdsError) as error:
            raise DirectAccessError(str(error)) from error


def _check_supported(url: sa.URL) -> None:
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DirectAccessError("connecting would create the file")


def _read_version(connection: sa.Connection, model_name: str, version: int | None) -> VersionRow:
    key = {"name": model_name, "version": version}
    row = connection.execute(sa.text(_VERSION), key).first()
    if row is None:  # the version is not registered in the default workspace
        raise DirectAccessError(f"{model_name} has no such version")
    tags = {str(k): str(v) for k, v in connection.execute(sa.text(_TAGS), key)}
    return VersionRow(row.name, str(row.version), str(row.run_id or ""), tags, int(row.creation_time))


def _version_of(document: Mapping[str, Any]) -> VersionRow:
    try:
        found = document["model_version"]
        tags = {str(tag["key"]): str(tag.get("value", "")) for tag in found.get("tags", ())}
        created = int(found["creation_timestamp"])
        return VersionRow(str(found["name"]), str(found["version"]), str(found.get("run_id", "")), tags, created)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DirectAccessError(f"not a model version: {error!r}") from error


@contextmanager
def file_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DirectAccessError(str(error)) from error
