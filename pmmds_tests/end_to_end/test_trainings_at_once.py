"""Two concurrent `pmmds train` commands each evaluate their own version on rows that it was not trained on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.data.row_identity import keys_of
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.command_line import Said, pmmds

pytestmark = [pytest.mark.slow, pytest.mark.process]
QUICK = {"PMMDS_TRAIN_CANDIDATES": "pmmds_tests.harness.role_logins:QUICK"}


def test_concurrent_trainings_evaluate_their_own_versions(tmp_path: Path) -> None:
    def train(seed: str) -> Said:
        return pmmds(tmp_path, "train", given={**QUICK, "PMMDS_TRAIN_SEED": seed})

    first = train("1")
    assert first.code == 0, first.err
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(train, ["7", "777"]))
    assert [said.code for said in both] == [0, 0], [said.err for said in both]
    assert any("Waiting for another training" in said.err for said in both)
    deployment = Deployment(load_settings({"PMMDS_HOME": str(tmp_path)}))
    decisions = deployment.decisions.recent(2)
    assert {x.challenger_version for x in decisions} == {"2", "3"}
    for decision in decisions:
        holdout = deployment.datasets.of_run("holdout", decision.run_id)
        assert holdout is not None
        rows = deployment.registry.training_rows(
            deployment.registry.get_version(deployment.model_name, decision.challenger_version)
        )
        assert not np.isin(keys_of(holdout.read(), deployment.contract.feature_names), rows).any()
