"""Proof that a model version was not trained on the holdout rows that it is judged on.

Rows are compared as the version's own training named them (data/row_identity.py). A version without recorded training
rows cannot be proved, and is refused. Keep out: choosing the rows (training/split.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from pmmds_core.data.digests import row_digests
from pmmds_core.data.row_identity import BY_CONTENT, BY_OCCURRENCE, ROW_KEY, Keys
from pmmds_core.errors import DataError, EvaluationError
from pmmds_core.runtime.json_logs import get_logger

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.artifacts.datasets import Dataset
    from pmmds_core.stores.artifacts.model_registry import RegisteredVersion

log = get_logger("pmmds.unseen_rows")
HOLDOUT_KEYS: Final = "holdout_keys"
_TRAIN_AGAIN = "Nothing was decided. Run `pmmds train`, which makes the holdout and the model in one run."


def require_unseen(
    deployment: Deployment, holdout: Dataset, challenger: RegisteredVersion, champion: RegisteredVersion | None
) -> None:
    """See that neither version was trained on a row of `holdout`.

    A champion that no decision recorded may not say which rows it was trained on: it is judged all the same, which can
    only be to its own advantage, and the log says so.

    Raises:
        EvaluationError: one was, or it cannot be proved that it was not.
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
            f"v{version.version} was trained on {seen} of the {holdout.n_rows} holdout rows "
            f"of run {holdout.run_id[:8]}, so these rows cannot judge it.",
            next_step=_TRAIN_AGAIN,
        )


def _keys_of(deployment: Deployment, holdout: Dataset, version: RegisteredVersion) -> Keys:
    """(n,) keys of the holdout rows, of the kind that the version's training rows have."""
    if version.tags.get("row_identity", BY_CONTENT) != BY_OCCURRENCE:
        return row_digests(holdout.read(), deployment.contract.feature_names)
    kept = deployment.datasets.of_run(HOLDOUT_KEYS, holdout.run_id)
    if kept is None or kept.details.get("holdout_digest") != holdout.digest:
        _refuse_unnamed(version, holdout)
    keys: Keys = kept.read()[ROW_KEY].to_numpy(dtype=np.int64)
    return keys


def _refuse_unnamed(version: RegisteredVersion, holdout: Dataset) -> NoReturn:
    raise EvaluationError(
        f"It cannot be proved that v{version.version} was not trained on the holdout rows of run "
        f"{holdout.run_id[:8]}: the keys of these rows were not kept.",
        next_step=_TRAIN_AGAIN,
    )
