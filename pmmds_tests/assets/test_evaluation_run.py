"""With an invalid holdout, evaluation fails with a reason and stores neither an evaluation nor a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pmmds_core.data.reader import content_digest
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.dagster_platform import copy_of, errors_of


def keep_holdout(deployment: Deployment, frame: pd.DataFrame, details: Any) -> None:
    deployment.datasets.save("holdout", frame, content_digest(frame), source="test", run_id="by hand", details=details)


@pytest.mark.slow
def test_an_invalid_holdout_fails_the_evaluation_with_its_reason(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path)
    deployment = platform.deployment
    sound = deployment.datasets.latest("holdout")
    before = deployment.decisions.latest_evaluation()
    assert sound is not None
    frame = sound.read()
    cases = {
        "the label has a single value": frame.assign(churn=0),
        "has no label": frame.assign(churn=frame["churn"].astype(float).where(frame.index != frame.index[0])),
        "tenure in 3 rows": frame.assign(tenure=pd.Series([None] * 3 + frame["tenure"].tolist()[3:], frame.index)),
        "are too few": frame.head(15),
    }
    for said, spoiled in cases.items():
        keep_holdout(deployment, spoiled, sound.details)
        result = platform.run("train_job", selection=["model_evaluation"])
        assert not result.success
        assert said in errors_of(result)[0]
    assert deployment.decisions.latest_evaluation() == before
    assert len(deployment.decisions.recent()) == 1
