"""The content of a model version in the registry.

Not here: registering it (stores/artifacts/model_registry.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

BUNDLE_PATH = "bundle"
VALIDATION_PATH = "validation"


@dataclass(frozen=True)
class ModelToRegister:
    """A model version to register.

    `pipeline` is the fitted scikit-learn pipeline. `example` has a few feature rows for the signature and the input
    example. `artifacts` maps artifact folders to local folders. `training_rows` has the int64 digests of the training
    rows, with shape (n,).
    """

    model_name: str
    digest: str
    pipeline: Any
    example: pd.DataFrame
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    description: str
    artifacts: Mapping[str, Path]
    training_rows: NDArray[np.int64]
