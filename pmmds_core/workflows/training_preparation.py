"""What a training needs and what does not depend on its data: imports, and the registry's database.

Called while another process validates the data. Not here: that process (data/suite_process.py).
"""

from __future__ import annotations

import importlib
import os
from contextlib import suppress

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.stores.artifacts.model_registry import PRODUCTION

# Two to three seconds; skops imports every estimator of scikit-learn.
_MODULES = ("sklearn.ensemble", "sklearn.linear_model", "sklearn.model_selection", "mlflow.sklearn", "skops.io")


def prepare_training(deployment: Deployment) -> None:
    """Import the training's libraries, and open the registry, whose first opening migrates its database for seconds.

    An unavailable registry is not an error here: the step that needs it reports it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at the import
    for name in _MODULES:
        importlib.import_module(name)
    with suppress(PmmdsError):
        deployment.registry.version_of(deployment.model_name, PRODUCTION)
