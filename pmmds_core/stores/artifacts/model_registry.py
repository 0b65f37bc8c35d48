"""The model registry: the only module that calls MLflow for models, versions and their artifacts.

Not here: choosing the production version (policies/promotion.py), the steps of a promotion (workflows/promotion.py).
`move_alias` is last-write-wins in MLflow; workflows/promotion.py guards the production alias with a database row.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from pmmds_core.config.settings import Settings
from pmmds_core.data.row_identity import digests_of
from pmmds_core.errors import NoModelError, RegistryUnavailableError
from pmmds_core.models.bundle_files import MANIFEST, MAX_BYTES, MAX_MANIFEST_BYTES, files_digest
from pmmds_core.models.registration import BUNDLE_PATH, ModelToRegister
from pmmds_core.stores.artifacts.bounded_download import fetch_bundle, fetch_file
from pmmds_core.stores.artifacts.direct_registry import DirectAccessError, DirectRegistry, file_errors
from pmmds_core.stores.artifacts.registry_errors import translated_errors
from pmmds_core.stores.artifacts.version_files import TRAINING_ROWS, log_training_rows, no_training_rows, trusted_types
from pmmds_core.stores.database.reachability import check_tracking_database

PRODUCTION = "production"
CHALLENGER = "challenger"

# Prefix of the temporary folder next to a download's destination.
INCOMING = ".incoming-"

# By default, MLflow retries for minutes; here users are waiting, and every caller retries anyway.
_REQUEST_TIMEOUT_SECONDS = 10
_VERSION = re.compile(r"[0-9]{1,18}")
_MAX_RETRIES = 1


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model. `digest` is the model digest (see bundle.model_digest)."""

    model_name: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None

    @property
    def is_validated(self) -> bool:
        return self.tags.get("validation") == "passed"


class ModelRegistry:
    """Versions, aliases and artifacts of registered models."""

    def __init__(self, tracking_uri: str, artifact_root: str = "") -> None:
        """
        Args:
            tracking_uri: SQLAlchemy URL of MLflow's database, or the address of an MLflow server.
            artifact_root: URI of the artifact folder or bucket; empty if an MLflow server chooses it.
        """
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self._direct = DirectRegistry(tracking_uri)
        self._is_reached = False

    @classmethod
    def of(cls, settings: Settings) -> ModelRegistry:
        return cls(settings.resolved_tracking_uri, settings.resolved_artifact_root)

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        """The version that `alias` points to; None if the alias or model does not exist.

        Raises:
            RegistryUnavailableError: MLflow is unreachable.
        """
        with suppress(DirectAccessError):
            return _translate(self._direct.by_alias(model_name, alias))
        with self._client() as client:
            return _read_version(lambda: client.get_model_version_by_alias(model_name, alias))

    def get_version(self, model_name: str, version: str) -> RegisteredVersion:
        """Raises NoModelError if the version is not registered."""
        registered = self._find_version(model_name, version)
        if registered is None:
            raise NoModelError(
                f"{model_name} has no version {version}.",
                next_step="See the model's page in MLflow for the registered versions.",
            )
        return registered

    def _find_version(self, model_name: str, version: str) -> RegisteredVersion | None:
        with suppress(DirectAccessError):
            return _translate(self._direct.by_number(model_name, version))
        with self._client() as client:
            return _read_version(lambda: client.get_model_version(model_name, version))

    def versions(self, model_name: str) -> list[RegisteredVersion]:
        """Every version, newest first."""
        with self._client() as client:
            versions = client.search_model_versions(f"name = '{model_name}'")
        return sorted((_translate(v) for v in versions), key=lambda v: int(v.version), reverse=True)

    def register(self, model: ModelToRegister, *, run_id: str = "", run_name: str = "") -> RegisteredVersion:
        """Log the model with its artifacts and register it as a new version with the alias `challenger`.

        Args:
            model: the model to register.
            run_id: an MLflow run in progress; empty: create one.
            run_name: name of the run to create.
        """
        with self._client() as client:
            mlflow = _mlflow(self.tracking_uri)
            if run_id:
                return self._register_in_run(mlflow, client, model, run_id)
            experiment_id = self._experiment(client, model.model_name)
            with mlflow.start_run(experiment_id=experiment_id, run_name=run_name or None) as run:
                return self._register_in_run(mlflow, client, model, run.info.run_id)

    def _register_in_run(self, mlflow: Any, client: Any, model: ModelToRegister, run_id: str) -> RegisteredVersion:
        mlflow.log_params(dict(model.params), run_id=run_id)
        mlflow.log_metrics(dict(model.metrics), run_id=run_id)
        for folder, path in model.artifacts.items():
            client.log_artifacts(run_id, str(path), artifact_path=folder)
        log_training_rows(client, run_id, model.training_rows)
        info = _log_pipeline(mlflow, model)
        self._ensure_model(client, model.model_name)
        created = client.create_model_version(
            model.model_name,
            source=info.model_uri,
            run_id=run_id,
            model_id=info.model_id,  # MLflow servers require it for models:/ sources
            tags={**model.tags, "digest": model.digest},
            description=model.description,
        )
        client.set_registered_model_alias(model.model_name, CHALLENGER, created.version)
        return _translate(client.get_model_version(model.model_name, created.version))

    def experiment_id(self, name: str) -> str:
        """The id of the experiment `name`, created on first use with its artifacts under `artifact_root`."""
        with self._client() as client:
            return self._experiment(client, name)

    def _experiment(self, client: Any, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = None
        if self.artifact_root and not self.tracking_uri.startswith("http"):
            location = f"{self.artifact_root}/{quote(name)}"
        return str(client.create_experiment(name, artifact_location=location))

    def _ensure_model(self, client: Any, model_name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        """Point `alias` at `version`. For the production alias, only workflows/promotion.py calls this."""
        with self._client() as client:
            client.set_registered_model_alias(model_name, alias, version)

    def aliased(self, model_name: str) -> set[str]:
        """Versions that have an alias; empty if the model is not registered. Raises RegistryUnavailableError."""
        with self._client() as client:
            models = client.search_registered_models(f"name = '{model_name}'")
        return {str(version) for model in models for version in model.aliases.values()}

    def delete_version(self, version: RegisteredVersion) -> None:
        """Delete a version with its run and all its files; parts that are already deleted are skipped.

        Files are deleted first, so that the next run can finish an interrupted deletion.

        Raises:
            RegistryUnavailableError: MLflow or its artifact store is unreachable.
        """
        with self._client() as client:
            run = client.get_run(version.run_id)
            models = client.search_logged_models([run.info.experiment_id], f"source_run_id='{version.run_id}'")
            for uri in (*(model.artifact_location for model in models), run.info.artifact_uri):
                _repository(self.tracking_uri, uri).delete_artifacts()
            for model in models:
                client.delete_logged_model(model.model_id)
            if run.info.lifecycle_stage == "active":
                client.delete_run(version.run_id)
            client.delete_model_version(version.model_name, version.version)

    def tag_version(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with self._client() as client:
            for key, value in tags.items():
                client.set_model_version_tag(model_name, version, key, value)

    def log_document(self, run_id: str, document: Mapping[str, Any], path: str) -> None:
        """Store a JSON document as an artifact of a version's run."""
        with self._client() as client:
            client.log_dict(run_id, dict(document), path)

    def log_page(self, run_id: str, content: bytes, paths: Sequence[str]) -> None:
        """Store a file as an artifact of a version's run under each of `paths`, replacing existing files.

        Raises:
            RegistryUnavailableError: MLflow or its artifact store is unreachable.
        """
        with suppress(DirectAccessError):
            for path in paths:
                self._direct.put(run_id, path, content)
            return
        with self._client() as client, tempfile.TemporaryDirectory() as folder:
            for path in paths:
                file = Path(folder) / Path(path).name
                file.write_bytes(content)
                client.log_artifact(run_id, str(file), artifact_path=str(Path(path).parent))

    def download_bundle(self, model_name: str, version: str, destination: Path) -> Path:
        """Download a version's bundle to `destination`, which appears complete or not at all.

        Downloads the manifest, then only the files that it lists, at most MAX_BYTES in total.

        Raises:
            NoModelError: no such version.
            ArtifactCorruptError: the manifest is not usable, or the files are too large.
            RegistryUnavailableError: MLflow or its artifact store is unreachable.
        """
        if not _VERSION.fullmatch(version):
            raise NoModelError(f"{model_name} has no version {version[:60]!r}. A version is a number.")
        registered = self.get_version(model_name, version)
        if destination.name in ("", ".", "..") or ".." in destination.parts:
            raise RegistryUnavailableError(
                f"Model files cannot be downloaded to {destination}: the path contains `..` or has no name."
            )
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=INCOMING) as folder:
            fetched = self._fetch(registered, Path(folder), fetch_bundle)
            if destination.is_dir():
                shutil.rmtree(destination)
            fetched.rename(destination)
        return destination

    def files_digest(self, model_name: str, version: str) -> str:
        """`Bundle.files_digest` of the registry's current files; downloads one small file.

        Raises:
            NoModelError: no such version.
            RegistryUnavailableError: MLflow or its artifact store is unreachable, or has no bundle for the version.
        """
        registered = self.get_version(model_name, version)
        return files_digest(self._content(registered, f"{BUNDLE_PATH}/{MANIFEST}", MAX_MANIFEST_BYTES))

    def training_rows(self, version: RegisteredVersion) -> NDArray[np.int64]:
        """Return the digests of the version's training rows, (n,).

        Raises:
            DataError: the version has no such record, or the record is damaged.
            RegistryUnavailableError: MLflow or its artifact store is unreachable.
        """
        if not self._has_artifact(version, TRAINING_ROWS):
            raise no_training_rows(version.version, "has no record of the rows that it was trained on")
        rows = digests_of(self._content(version, TRAINING_ROWS, MAX_BYTES))
        if rows is None:
            raise no_training_rows(version.version, "has a damaged record of its training rows")
        return rows

    def _has_artifact(self, version: RegisteredVersion, path: str) -> bool:
        with self._client() as client:
            return any(file.path == path for file in client.list_artifacts(version.run_id, str(Path(path).parent)))

    def _content(self, version: RegisteredVersion, path: str, max_bytes: int) -> bytes:
        with tempfile.TemporaryDirectory() as parent:
            folder = self._fetch(
                version, Path(parent), lambda store, folder: fetch_file(store, path, folder / "content", max_bytes)
            )
            return (folder / "content").read_bytes()

    def _fetch(self, version: RegisteredVersion, parent: Path, fetch: Callable[[Any, Path], object]) -> Path:
        """Call `fetch` with the artifact store of the version's run and a new folder in `parent`; return the folder."""
        with suppress(DirectAccessError), file_errors():
            folder = parent / "direct"
            folder.mkdir()
            fetch(self._direct.local_artifacts(version.run_id), folder)
            return folder
        with self._client() as client:
            # Use the artifact URI: with the run id, MLflow would also search the logged model and hide the failure.
            root = client.get_run(version.run_id).info.artifact_uri.rstrip("/")
            folder = parent / "files"
            folder.mkdir()
            fetch(_repository(self.tracking_uri, root), folder)
            return folder

    def load_pipeline(self, version: RegisteredVersion) -> Any:
        """The scikit-learn pipeline of a version, for comparison with its portable scorer."""
        with self._client():
            return _mlflow(self.tracking_uri).sklearn.load_model(f"models:/{version.model_name}/{version.version}")

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Yield an MLflow client and translate its errors."""
        if not self._is_reached:  # on its first connection MLflow would retry for minutes and print tracebacks
            check_tracking_database(self.tracking_uri)
            self._is_reached = True
        mlflow = _mlflow(self.tracking_uri)
        from mlflow.exceptions import MlflowException

        with translated_errors(self.tracking_uri, self.artifact_root, MlflowException):
            yield mlflow.MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)


def _mlflow(tracking_uri: str) -> Any:
    """Import MLflow lazily (this takes about four seconds); disable its output and telemetry, and shorten timeouts."""
    import mlflow
    import mlflow.environment_variables

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    variables: Any = mlflow.environment_variables
    variables.MLFLOW_HTTP_REQUEST_TIMEOUT.set(_REQUEST_TIMEOUT_SECONDS)
    variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(_MAX_RETRIES)
    variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    # Otherwise a server with artifacts in S3 redirects its clients to S3, which may be unreachable for them.
    variables.MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD.set(False)
    variables.MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD.set(False)
    if not variables.MLFLOW_S3_ENDPOINT_URL.get():
        variables.MLFLOW_S3_ENDPOINT_URL.unset()  # boto3 rejects an empty value
    variables.MLFLOW_DISABLE_TELEMETRY.set(True)
    variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # stdout is reserved for the commands' JSON
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    return mlflow


def _repository(tracking_uri: str, artifact_uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository: Any = get_artifact_repository
    return repository(artifact_uri, tracking_uri=tracking_uri)


def _log_pipeline(mlflow: Any, model: ModelToRegister) -> Any:
    """Log the pipeline with its signature and an input example.

    The requirements are explicit, because MLflow would start a second interpreter to infer them.
    """
    from importlib.metadata import version

    from mlflow.models import infer_signature

    probabilities = model.pipeline.predict_proba(model.example)[:, 1]
    return mlflow.sklearn.log_model(
        model.pipeline,
        name="model",
        signature=infer_signature(model.example, probabilities),
        input_example=model.example,
        pip_requirements=[f"{p}=={version(p)}" for p in ("scikit-learn", "pandas", "numpy")],
        pyfunc_predict_fn="predict_proba",
        skops_trusted_types=trusted_types(model.pipeline),
    )


def _read_version(read: Any) -> RegisteredVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return _translate(read())
    except MlflowException as error:
        # The code for a missing alias is INVALID_PARAMETER_VALUE; for a missing version, RESOURCE_DOES_NOT_EXIST.
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or "not found" in str(error).lower():
            return None
        raise


def _translate(version: Any) -> RegisteredVersion:
    """Raises RegistryUnavailableError for a version that is not a number, because folder names contain the version."""
    if not _VERSION.fullmatch(str(version.version)):
        raise RegistryUnavailableError(
            f"MLflow returned {str(version.version)[:60]!r} as a model version; a version is a number.",
            next_step="Check which server is running at PMMDS_MLFLOW_TRACKING_URI.",
        )
    tags = dict(version.tags)
    return RegisteredVersion(
        model_name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        digest=tags.get("digest", ""),
        tags=tags,
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
    )
