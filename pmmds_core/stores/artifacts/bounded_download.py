"""One file of an MLflow artifact store, read as a stream up to a bound: what a sender says of its size is not trusted.

MLflow's own download fetches whatever a folder lists and counts nothing. Does not live here: which files are fetched
(model_registry.py), what a failure means for a person (registry_errors.py).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from pmmds_core.errors import ArtifactCorruptError

_CHUNK_BYTES = 1_000_000


def fetch_file(repository: Any, path: str, destination: Path, max_bytes: int) -> int:
    """Write a file of the store to `destination`, and return its size.

    Args:
        repository: MLflow's repository of a run's artifacts.
        path: in that repository.
        destination: a file that does not exist.
        max_bytes: one more is not read.

    Raises:
        ArtifactCorruptError: the file is larger, or is sent compressed.
        Exception: MLflow's, requests' or boto3's, as they are.
    """
    n_bytes = 0
    with destination.open("xb") as file, closing(_chunks(repository, path)) as chunks:
        for chunk in chunks:
            n_bytes += len(chunk)
            if n_bytes > max_bytes:
                raise ArtifactCorruptError(
                    f"The model file {path} is larger than the {max_bytes:,} bytes that are left for it.",
                    next_step="Promote another version, or train again.",
                )
            file.write(chunk)
    return n_bytes


def _chunks(repository: Any, path: str) -> Generator[bytes, None, None]:
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    match repository:
        case HttpArtifactRepository():
            return _from_server(repository, path)
        case S3ArtifactRepository():
            return _from_s3(repository, path)
        case LocalArtifactRepository():
            return _from_folder(Path(repository.artifact_dir) / path)
    raise ArtifactCorruptError(
        f"Model files are not fetched from a store of the kind {type(repository).__name__}.",
        next_step="Keep artifacts in a folder, in S3, or behind an MLflow server.",
    )


def _from_server(repository: Any, path: str) -> Generator[bytes, None, None]:
    from mlflow.utils import rest_utils

    request: Any = rest_utils.http_request
    # A compressed answer may become a thousand times larger as it is read.
    headers = {"Accept-Encoding": "identity"}
    with request(repository._host_creds, f"/{path}", "GET", extra_headers=headers, stream=True) as response:
        response.raise_for_status()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ArtifactCorruptError(f"The model file {path} was sent compressed, which was not asked for.")
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
