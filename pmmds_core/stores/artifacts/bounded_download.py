"""Streams downloads from an artifact store and enforces a size limit, whatever size the server announces.

MLflow's own download fetches every file of a folder without a limit. Not here: finding a run's artifact store
(model_registry.py), error messages for store failures (registry_errors.py).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.models.bundle_files import MANIFEST, MAX_BYTES, MAX_MANIFEST_BYTES, listed_names
from pmmds_core.models.registration import BUNDLE_PATH

_CHUNK_BYTES = 1_000_000


def fetch_bundle(store: Any, folder: Path) -> None:
    """Download the bundle's manifest and then the files that it lists into `folder`, at most MAX_BYTES in total.

    Raises:
        ArtifactCorruptError: the manifest is not usable, or the files are too large.
        Exception: the same errors as `fetch_file`.
    """
    n_bytes = fetch_file(store, f"{BUNDLE_PATH}/{MANIFEST}", folder / MANIFEST, MAX_MANIFEST_BYTES)
    for name in listed_names((folder / MANIFEST).read_bytes(), folder):
        n_bytes += fetch_file(store, f"{BUNDLE_PATH}/{name}", folder / name, MAX_BYTES - n_bytes)


def fetch_file(store: Any, path: str, destination: Path, max_bytes: int) -> int:
    """Write a file of the store to `destination` and return its size in bytes.

    Args:
        store: a run's artifact store: a local folder (Path) or an MLflow artifact repository.
        path: path of the file in the store.
        destination: a file that does not exist.
        max_bytes: maximum size.

    Raises:
        ArtifactCorruptError: the file is larger, or is sent compressed.
        Exception: any error from MLflow, requests, boto3 or the file system, not translated.
    """
    n_bytes = 0
    with destination.open("xb") as file, closing(_chunks(store, path)) as chunks:
        for chunk in chunks:
            n_bytes += len(chunk)
            if n_bytes > max_bytes:
                raise ArtifactCorruptError(
                    f"The model file {path} exceeds the remaining limit of {max_bytes:,} bytes.",
                    next_step="Promote another version, or train again.",
                )
            file.write(chunk)
    return n_bytes


def _chunks(store: Any, path: str) -> Generator[bytes, None, None]:
    if isinstance(store, Path):
        return _from_folder(store / path)
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    match store:
        case HttpArtifactRepository():
            return _from_server(store, path)
        case S3ArtifactRepository():
            return _from_s3(store, path)
        case LocalArtifactRepository():
            return _from_folder(Path(store.artifact_dir) / path)
    raise ArtifactCorruptError(
        f"Model files cannot be downloaded from an artifact store of type {type(store).__name__}.",
        next_step="Store artifacts in a local folder, in S3 or on an MLflow server.",
    )


def _from_server(repository: Any, path: str) -> Generator[bytes, None, None]:
    from mlflow.utils import rest_utils

    request: Any = rest_utils.http_request
    # Request no compression, because a compressed response may expand a thousandfold.
    headers = {"Accept-Encoding": "identity"}
    with request(repository._host_creds, f"/{path}", "GET", extra_headers=headers, stream=True) as response:
        response.raise_for_status()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ArtifactCorruptError(
                f"The server compressed the model file {path} although PMMDS requested no compression."
            )
        yield from response.iter_content(_CHUNK_BYTES)


def _from_s3(repository: Any, path: str) -> Generator[bytes, None, None]:
    bucket, root = repository.parse_s3_compliant_uri(repository.artifact_uri)
    owner = repository._bucket_owner_params
    body = repository._get_s3_client().get_object(Bucket=bucket, Key=f"{root}/{path}".lstrip("/"), **owner)["Body"]
    with closing(body):
        yield from body.iter_chunks(_CHUNK_BYTES)


def _from_folder(path: Path) -> Generator[bytes, None, None]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
