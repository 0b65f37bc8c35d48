"""A version's performance limit is its holdout's ROC-AUC minus the margin; a day is beyond it only with certainty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import RECORDED
from pmmds_core.workflows.performance_limits import performance_limits

EVALUATION = {
    "primary_metric": "roc_auc",
    "challenger_metrics": {"roc_auc": 0.85},
    "challenger_interval": [0.83, 0.87],
}


def deployment_with(home: Path, document: dict[str, Any], **settings: Any) -> Deployment:
    """A deployment in which version 1 was promoted with this document."""
    deployment = Deployment(Settings(home=str(home), **settings)).prepare()
    deployment.decisions.save(
        kind="promotion",
        challenger="1",
        champion=None,
        promoted=True,
        reason="Challenger v1 is the first model.",
        improvement=None,
        details=document,
        run_id="",
        state=RECORDED,
    )
    return deployment


@pytest.mark.parametrize(
    ("value", "high", "is_beyond"),
    [
        (0.85, 0.90, False),
        (0.77, 0.82, False),  # The drop is 0.08, and its interval starts at 0.08 − √(0.02² + 0.05²) = 0.026.
        (0.74, 0.79, True),  # 0.11 − 0.054 = 0.056
        (0.75, 0.80, False),  # 0.10 − 0.054 = 0.046
    ],
)
def test_a_day_is_beyond_the_limit_if_the_interval_of_the_drop_is(
    tmp_path: Path, value: float, high: float, is_beyond: bool
) -> None:
    limit = performance_limits(deployment_with(tmp_path, {"evaluation": EVALUATION}), ["1"])["1"]
    assert limit.value == pytest.approx(0.80)
    assert limit.is_beyond({"value": value, "low": 0.5, "high": high}) == is_beyond


def test_versions_without_an_evaluation_have_no_limit(tmp_path: Path) -> None:
    assert performance_limits(deployment_with(tmp_path, {}), ["1", "2"]) == {}


def test_without_the_trigger_there_is_no_limit(tmp_path: Path) -> None:
    document = {"evaluation": EVALUATION}
    assert performance_limits(deployment_with(tmp_path, document, retrain_on_performance_drop="off"), ["1"]) == {}
