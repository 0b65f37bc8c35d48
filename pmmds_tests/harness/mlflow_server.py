"""The MLflow server of `pmmds up`, which tests can kill and restart on the same port.

It also serves artifacts. Not here: the registered models.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from pmmds_cli.processes.definitions import child_environment, local_processes
from pmmds_core.config.settings import Settings
from pmmds_core.models.registration import BUNDLE_PATH
from pmmds_core.stores.artifacts.model_registry import ModelRegistry
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until


class MlflowServer:
    """A server with its database and log in `home`.

    Args:
        home: the folder, which only this server uses.
        artifact_root: the location of the artifacts. If empty, they are stored in `home`.
        variables: additional environment variables, such as the keys of the artifact store.
    """

    def __init__(self, home: Path, *, artifact_root: str = "", variables: Mapping[str, str] | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self.database = home / "mlflow.db"
        self.settings = Settings(
            home=str(home),
            mlflow_port=port,
            mlflow_tracking_uri=self.uri,
            mlflow_database_url=f"sqlite:///{self.database}",
            mlflow_artifact_root=artifact_root,
        )
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        process = next(p for p in local_processes(self.settings) if p.name == "mlflow")
        environment = {**child_environment(self.settings, [process]), **self._variables}
        with (self.settings.home_path / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                process.argv, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers)

    def kill(self) -> None:
        """Send SIGKILL to the process group of the server and its workers."""
        assert self._process is not None
        with suppress(ProcessLookupError):  # The server has already exited.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.settings.home_path / "mlflow.log").read_text()
        try:
            return httpx.get(f"{self.uri}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def mlflow_serving(server: MlflowServer) -> Iterator[MlflowServer]:
    """Run a server within the block, and always stop it afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def register_bundle(registry: ModelRegistry, model_name: str, bundle: Path, digest: str) -> str:
    """Upload and register a bundle that was trained elsewhere, and return the new version."""
    with registry._client() as client:
        run = client.create_run(registry.experiment_id(model_name))
        client.log_artifacts(run.info.run_id, str(bundle), BUNDLE_PATH)
        registry._ensure_model(client, model_name)
        made = client.create_model_version(
            model_name, source=run.info.artifact_uri, run_id=run.info.run_id, tags={"digest": digest}
        )
        return str(made.version)
