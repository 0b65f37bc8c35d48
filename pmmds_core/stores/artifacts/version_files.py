"""Files of a registered version other than its bundle: the digests of its training rows and the saved pipeline.

Not here: calls to MLflow (model_registry.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import DataError

TRAINING_ROWS = "training/row_digests.npy"


def trusted_types(pipeline: Any) -> list[str]:
    """The types in the saved file that skops does not trust by default and that are scikit-learn's or numpy's own."""
    from skops import io

    unknown = io.get_untrusted_types(data=io.dumps(pipeline))
    return [name for name in unknown if name.split(".")[0] in ("sklearn", "numpy")]


def log_training_rows(client: Any, run_id: str, rows: NDArray[np.int64]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(TRAINING_ROWS).name
        np.save(path, rows, allow_pickle=False)
        client.log_artifact(run_id, str(path), artifact_path=str(Path(TRAINING_ROWS).parent))


def no_training_rows(version: str, what: str) -> DataError:
    return DataError(
        f"v{version} {what} ({TRAINING_ROWS}), so PMMDS cannot verify that it was not trained on holdout rows.",
        next_step="Promote a version that PMMDS trained, or train a new one.",
    )
