"""Verifies that a model version was not trained on the holdout rows used to evaluate it.

Rows are compared by the row identity of the version's own training (data/row_identity.py). A version without recorded
training rows cannot be verified and is rejected. Not here: selecting the rows (training/split.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from pmmds_core.data.digests import row_digests
from pmmds_core.data.row_identity import BY_CONTENT, BY_OCCURRENCE, ROW_KEY, Keys
from pmmds_core.errors import DataError, EvaluationError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.artifacts.datasets import Dataset
    from pmmds_core.stores.artifacts.model_registry import RegisteredVersion

log = get_logger("pmmds.unseen_rows")
HOLDOUT_KEYS: Final = "holdout_keys"
_TRAIN_AGAIN = "No decision was made. Run `pmmds train`, which creates the holdout and the model in one run."


def require_unseen(
    deployment: Deployment, holdout: Dataset, challenger: RegisteredVersion, champion: RegisteredVersion | None
) -> None:
    """Check that neither version was trained on a row of `holdout`.

    A champion without a recorded decision may lack its training rows. It is evaluated anyway, with a warning in the
    log, because training on holdout rows could only favor the champion.

    Raises:
        EvaluationError: a version was trained on holdout rows, or this cannot be ruled out.
        RegistryUnavailableError, DataError: the rows cannot be read.
    """
    _require(deployment, holdout, challenger)
    if champion is None:
        return
    try:
        _require(deployment, holdout, champion)
    except DataError as error:
        if deployment.decisions.recorded_digest(champion.version) is not None:
            raise
        log.warning("champion_rows_unknown", model_version=champion.version, problem=error.message)


def _require(deployment: Deployment, holdout: Dataset, version: RegisteredVersion) -> None:
    seen = int(np.isin(_keys_of(deployment, holdout, version), deployment.registry.training_rows(version)).sum())
    if seen:
        raise EvaluationError(
            f"v{version.version} was trained on {seen} of {counted(holdout.n_rows, 'holdout row')} "
            f"of run {holdout.run_id[:8]}, so it cannot be evaluated on them.",
            next_step=_TRAIN_AGAIN,
        )


def _keys_of(deployment: Deployment, holdout: Dataset, version: RegisteredVersion) -> Keys:
    """Return the keys of the holdout rows, with shape (n,), using the row identity of the version's training."""
    if version.tags.get("row_identity", BY_CONTENT) != BY_OCCURRENCE:
        return row_digests(holdout.read(), deployment.contract.feature_names)
    kept = deployment.datasets.of_run(HOLDOUT_KEYS, holdout.run_id)
    if kept is None or kept.details.get("holdout_digest") != holdout.digest:
        _reject_without_keys(version, holdout)
    keys: Keys = kept.read()[ROW_KEY].to_numpy(dtype=np.int64)
    return keys


def _reject_without_keys(version: RegisteredVersion, holdout: Dataset) -> NoReturn:
    raise EvaluationError(
        f"It cannot be verified that v{version.version} was not trained on the holdout rows of run "
        f"{holdout.run_id[:8]}: the keys of these rows were not stored.",
        next_step=_TRAIN_AGAIN,
    )
