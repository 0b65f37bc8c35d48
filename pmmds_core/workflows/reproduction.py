"""A model version trained again from what is recorded of it, and whether the same model came out.

Seed and candidate are the record's, not those of the present settings. Keep out: training itself
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
    """What came out. `differences`: what is not as it was recorded and may be why the digests differ."""

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
    """Train a version again in a temporary folder; nothing is registered or kept.

    Raises:
        ModelError: the version does not say how it was made, was made by another contract, or from a candidate that
            is not among those of PMMDS_TRAIN_CANDIDATES.
        DataError: its rows are not kept here, or are not those that were recorded.
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
            f"v{registered.version} does not say how it was made: {', '.join(missing)} are not recorded.",
            next_step="Versions that are trained from now on say it.",
        )
    if registered.tags["contract_digest"] != contract_digest:
        raise ModelError(
            f"v{registered.version} was trained by another contract than the one in use "
            f"({registered.tags['contract_digest'][:12]}… instead of {contract_digest[:12]}…).",
            next_step="Point PMMDS_CONTRACT at the contract it was trained by.",
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
            f"The {kind} rows of this version are not kept here (data digest {record['training_digest'][:12]}…).",
            next_step="Run it where it was trained, or restore PMMDS_HOME/datasets and the database.",
        )
    return found


def _verified(training: Dataset) -> pd.DataFrame:
    frame = training.read()
    if content_digest(frame) != training.digest:
        raise DataError(
            f"The training rows in {training.path} are not those that were recorded: their digest differs.",
            next_step="Restore the file; training on other rows would reproduce nothing.",
        )
    return frame


def _trained_again(
    deployment: Deployment, frame: pd.DataFrame, holdout: pd.DataFrame, record: Mapping[str, str]
) -> str:
    """The digest; only the recorded candidate is fitted, since latency had a part in the choice."""
    name, candidates = record["candidate"], load_candidates(deployment.settings.train_candidates)
    if name not in candidates:
        raise ModelError(
            f"The candidate {name} is not among {', '.join(candidates)}.",
            next_step="Set PMMDS_TRAIN_CANDIDATES as it was when the version was trained.",
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
