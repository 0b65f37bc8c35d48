"""Prepares for training before the data is ready: imports the libraries and opens the registry's database.

It is called while another process validates the data. Not here: that process (data/suite_process.py).
"""

from __future__ import annotations

import importlib
import os
from contextlib import suppress

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.stores.artifacts.model_registry import PRODUCTION

# Importing these modules takes two to three seconds, because skops imports every estimator of scikit-learn.
_MODULES = ("sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection", "mlflow.sklearn", "skops.io")


def prepare_training(deployment: Deployment) -> None:
    """Import the training libraries, and open the registry.

    The registry's database is migrated when it is first opened, which takes seconds. An unavailable registry is not an
    error here, because the step that needs the registry reports it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads this variable when it is imported
    for name in _MODULES:
        importlib.import_module(name)
    with suppress(PmmdsError):
        deployment.registry.version_of(deployment.model_name, PRODUCTION)
