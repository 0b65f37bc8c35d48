"""Preparing a training run while its data is validated."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.workflows.training_preparation import prepare_training


def test_preparation_creates_the_registry_and_imports_training_libraries(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pmmds_core.config.settings import Settings\n"
        "from pmmds_core.deployment import Deployment\n"
        "from pmmds_core.workflows.training_preparation import prepare_training\n"
        f"prepare_training(Deployment(Settings(home={str(tmp_path)!r})))\n"
        "print(all(name in sys.modules for name in ('sklearn.ensemble', 'mlflow.sklearn', 'skops.io')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert list(tmp_path.rglob("mlflow.db"))


def test_preparation_ignores_an_unreachable_registry(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        prepare_training(Deployment(Settings(home=str(tmp_path), mlflow_tracking_uri=uri)))
