"""With only two features, equal rows of different customers do not count as leakage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.data.row_identity import BY_OCCURRENCE
from pmmds_core.workflows.reproduction import reproduce
from pmmds_core.workflows.version_lookup import find_version
from pmmds_tests.harness.dagster_platform import DagsterPlatform, assets_made, errors_of, failed_checks, metadata_of

CONTRACT = """
name: claims
model_name: claims-classifier
description: Whether a claim is paid.
label: {name: paid, source: outcome, positive: "2", negative: "1"}
features:
  - {name: color, source: color, kind: categorical, type: string, values: [red, green, blue], description: Color.,
     example: red}
  - {name: size, source: size, kind: categorical, type: string, values: ["0", "1", "2"], description: Its code.,
     example: "1", blank: {means: missing, written_as: [NA]}}
"""


def claims(n_rows: int, seed: int, *, red: float = 1.2) -> pd.DataFrame:
    """Return rows in the format of the source file. The color red adds `red` to the log odds."""
    random = np.random.default_rng(seed)
    color, size = random.choice(["red", "green", "blue"], n_rows), random.choice([0, 1, 2], n_rows)
    odds = -1 + red * (color == "red") + 1.0 * (size == 2)
    paid = random.random(n_rows) < 1 / (1 + np.exp(-odds))
    written = np.where(random.random(n_rows) < 0.05, "NA", size.astype(str))
    return pd.DataFrame({"color": color, "size": written, "outcome": paid + 1})


@pytest.fixture
def platform(tmp_path: Path) -> DagsterPlatform:
    (tmp_path / "claims.yaml").write_text(CONTRACT, encoding="utf-8")
    claims(3000, 1).to_csv(tmp_path / "claims.csv", index=False)
    variables = {
        "PMMDS_CONTRACT": str(tmp_path / "claims.yaml"),
        "PMMDS_DATA_PATH": str(tmp_path / "claims.csv"),
        "PMMDS_RETRAIN_MIN_LABELS": "200",
        "PMMDS_DRIFT_ALERT_RULES": "calibrated",
        "PMMDS_PROMOTION_MIN_IMPROVEMENT": "-1",
        "PMMDS_PROMOTION_MAX_LATENCY_RATIO": "100",
    }
    return DagsterPlatform.build(tmp_path / "home", **variables)


def as_logged(frame: pd.DataFrame) -> pd.DataFrame:
    size = [None if code == "NA" else code for code in frame["size"]]
    return pd.DataFrame({"color": frame["color"], "size": size, "paid": frame["outcome"] - 1})


@pytest.mark.slow
def test_duplicate_rows_cause_no_drift_and_no_leakage(platform: DagsterPlatform) -> None:
    trained = platform.run("train_job")
    assert trained.success, errors_of(trained)
    deployment = platform.deployment
    assert deployment.registry.get_version(deployment.model_name, "1").tags["row_identity"] == BY_OCCURRENCE
    n_train = metadata_of(trained, "training_data")["dagster/row_count"].value
    assert 0.77 < n_train / 3000 < 0.83

    platform.log_rows(as_logged(claims(1000, 2)), "calm")
    calm = platform.run("monitor_job", tags=platform.window_tags())
    assert failed_checks(calm) == set(), "the profile matches these customers"

    platform.log_rows(as_logged(claims(1000, 3, red=-2.0)), "moved")
    retrained = platform.run("retrain_job", ops={"training_data": {"config": {"block_without_labels": True}}})
    assert retrained.success, errors_of(retrained)
    assert "promotion_decision" in assets_made(retrained)
    assert failed_checks(retrained) & {"holdout_is_unseen"} == set()
    reported = metadata_of(retrained, "training_data")
    assert (reported["n_new_labels"].value, reported["n_holdout_rows"].value) == (2000, 800)
    decision = deployment.decisions.recent(1)[0]
    assert (decision.challenger_version, decision.promoted) == ("2", True)

    again_made = reproduce(deployment, find_version(deployment, "2"))
    assert again_made.is_equal

    # v2 was not trained on its holdout rows, so a later holdout may contain them, but not its training rows.
    platform.log_rows(as_logged(claims(400, 4, red=-2.0)), "later")
    again = platform.run("retrain_job", ops={"training_data": {"config": {"block_without_labels": True}}})
    assert again.success, errors_of(again)
    assert metadata_of(again, "training_data")["n_new_labels"].value == 400 + 800
    assert "holdout_is_unseen" not in failed_checks(again)
