"""Retrains a model version from its recorded inputs and compares the digests.

Seed and candidate come from the record, not from the current settings. Not here: training
(training/release.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.data.digests import content_digest
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DataError, ModelError
from pmmds_core.stores.artifacts.datasets import Dataset, DatasetKind
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.training.code_version import code_version, libraries
from pmmds_core.training.custom_candidates import load_candidates
from pmmds_core.training.model_card import Provenance
from pmmds_core.training.release import build_release

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("training_digest", "candidate", "seed", "code_version", "libraries", "dagster_run_id", "contract_digest")


@dataclass(frozen=True)
class Reproduction:
    """The result of a reproduction.

    `differences` has the changes since the training that may explain different digests.
    """

    model_name: str
    version: str
    recorded_digest: str
    digest: str
    candidate: str
    seed: int
    training_digest: str
    n_training_rows: int
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        return self.digest == self.recorded_digest

    def to_document(self) -> dict[str, Any]:
        return {**vars(self), "is_equal": self.is_equal}


def reproduce(deployment: Deployment, registered: RegisteredVersion) -> Reproduction:
    """Retrain a version in a temporary folder. Nothing is registered or stored.

    Raises:
        ModelError: the version lacks its training record, was trained with another contract, or its candidate is not
            among PMMDS_TRAIN_CANDIDATES.
        DataError: its rows are not stored here or differ from the recorded ones.
        SettingError: PMMDS_TRAIN_CANDIDATES cannot be loaded.
    """
    record = _record(registered, deployment.contract.digest)
    training = _recorded_rows(deployment, "training", record)
    frame, holdout = _verified(training), _recorded_rows(deployment, "holdout", record).read()
    release_digest = _trained_again(deployment, frame, holdout, record)
    return Reproduction(
        model_name=deployment.model_name,
        version=registered.version,
        recorded_digest=registered.digest,
        digest=release_digest,
        candidate=record["candidate"],
        seed=int(record["seed"]),
        training_digest=training.digest,
        n_training_rows=len(frame),
        differences=_differences(record),
    )


def _record(registered: RegisteredVersion, contract_digest: str) -> Mapping[str, str]:
    missing = [name for name in _NEEDED if not registered.tags.get(name)]
    if missing:
        raise ModelError(
            f"v{registered.version} cannot be reproduced, because its record lacks {', '.join(missing)}.",
            next_step="Choose a version that PMMDS trained.",
        )
    if registered.tags["contract_digest"] != contract_digest:
        raise ModelError(
            f"v{registered.version} was trained with a different contract than the current one "
            f"({registered.tags['contract_digest'][:12]}… instead of {contract_digest[:12]}…).",
            next_step="Set PMMDS_CONTRACT to the contract it was trained with.",
        )
    return registered.tags


def _recorded_rows(deployment: Deployment, kind: DatasetKind, record: Mapping[str, str]) -> Dataset:
    run_id = record["dagster_run_id"]
    of_digest = (
        deployment.datasets.of_digest(kind, record["training_digest"], run_id=run_id) if kind == "training" else None
    )
    found = of_digest or deployment.datasets.of_run(kind, run_id)
    if found is None or not found.path.exists():
        raise DataError(
            f"The {kind} rows of this version are not stored here (data digest {record['training_digest'][:12]}…).",
            next_step="Run the command where it was trained, or restore PMMDS_HOME/datasets and the database.",
        )
    return found


def _verified(training: Dataset) -> pd.DataFrame:
    frame = training.read()
    if content_digest(frame) != training.digest:
        raise DataError(
            f"The training rows in {training.path} have changed: their digest differs from the recorded one.",
            next_step="Restore the file.",
        )
    return frame


def _trained_again(
    deployment: Deployment, frame: pd.DataFrame, holdout: pd.DataFrame, record: Mapping[str, str]
) -> str:
    """Return the digest of the model.

    Only the recorded candidate is fitted, because the choice of the candidate also depended on measured latency.
    """
    name, candidates = record["candidate"], load_candidates(deployment.settings.train_candidates)
    if name not in candidates:
        raise ModelError(
            f"The candidate {name} is not among {', '.join(candidates)}.",
            next_step="Set PMMDS_TRAIN_CANDIDATES to its value at training time.",
        )
    with tempfile.TemporaryDirectory() as folder:
        provenance = Provenance(
            training_digest=record["training_digest"],
            data_source=record.get("data_source", ""),
            validation=record.get("validation", ""),
            validation_folder=Path(folder),
            holdout_kind=record.get("holdout", ""),
            run_id=record["dagster_run_id"],
            training_mix=record.get("training_mix", ""),
        )
        bundle = Path(folder) / "bundle"
        bundle.mkdir()
        seed, only = int(record["seed"]), {name: candidates[name]}
        return build_release(frame, holdout, deployment.contract, seed, bundle, provenance, candidates=only).digest


def _differences(record: Mapping[str, str]) -> tuple[str, ...]:
    now = {"code_version": code_version(), "libraries": libraries()}
    return tuple(
        f"{name.replace('_', ' ')}: recorded {record[name]}, here {here}"
        for name, here in now.items()
        if record[name] != here
    )
