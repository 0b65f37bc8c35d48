"""The whole loop runs on real processes: the service, Dagster's daemon with its sensor, and MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.quick_start import running_in
from pmmds_tests.harness.service_process import wait_until

SECONDS = 1500


def check_alert(home: Path) -> None:
    """Check that the alert names the shifted payment methods and contracts with their shares."""
    (alert,) = Deployment(Settings(home=str(home))).alerts.recent()
    for feature, value in (
        ("contract", "(Month-to-month|Two year)"),
        ("payment_method", r"(Electronic check|Credit card \(automatic\))"),
    ):
        assert re.search(rf"{feature}: {value} [\d.]+% → (under )?[\d.]+% of rows \(PSI ", alert.message), alert.message


def check_story(said: Said, home: Path) -> None:
    assert said.code == 0, said.err
    story = said.document
    assert story["calm_verdict"] == "stable"
    assert len(story["drifted_features"]) >= 3
    assert story["decision"]["promoted"] is True
    assert (story["first_version"], story["last_version"]) == ("1", "2")
    assert story["n_failed_requests"] == 0
    assert story["n_requests_during_swap"] > 50
    assert Path(story["report"]).read_text(encoding="utf-8").count("<html") == 1
    check_alert(home)
    wait_until(lambda: running_in(home) == [])


@pytest.mark.process
@pytest.mark.timeout(SECONDS)
@pytest.mark.xdist_group("demo")
def test_demo_completes_on_the_packaged_sample(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    check_story(pmmds(tmp_path / "unused", "demo", "--home", str(home), "--json", timeout=SECONDS), home)


ORDERS = """
name: orders
model_name: returns
description: Whether an order is returned.
row_id: Order No
label: {name: returned, source: "Returned?", positive: "yes", negative: "no"}
features:
  - {name: region, source: Region, kind: categorical, type: string, values: [north, south, east], description: Region.,
     example: north}
  - {name: age, source: Age (years), kind: numeric, type: integer, minimum: 0, maximum: 120, description: Age.,
     example: "40"}
  - {name: amount, source: Amount, kind: numeric, type: float, minimum: 0, description: Amount., example: "40.5"}
"""


def orders(folder: Path, n_rows: int) -> dict[str, str]:
    """Settings for an unscripted contract and file, whose label depends only on the age."""
    rng = np.random.default_rng(1)
    age = rng.integers(18, 90, n_rows)
    frame = pd.DataFrame(
        {
            "Order No": [f"A-{i:06d}" for i in range(n_rows)],
            "ordered on": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 200, n_rows), unit="D"),
            "Region": rng.choice(["north", "south", "east"], n_rows),
            "Age (years)": age,
            "Amount": np.round(rng.lognormal(4, 1, n_rows), 2),
            "Returned?": np.where(rng.random(n_rows) < 1 / (1 + np.exp((54 - age) / 20)), "yes", "no"),
        }
    )
    frame.to_csv(folder / "orders.csv", index=False)
    (folder / "orders.yaml").write_text(ORDERS, encoding="utf-8")
    return {"PMMDS_CONTRACT": str(folder / "orders.yaml"), "PMMDS_DATA_PATH": str(folder / "orders.csv")}


@pytest.mark.process
@pytest.mark.timeout(SECONDS)
@pytest.mark.xdist_group("demo")
def test_a_held_challenger_is_a_valid_outcome_on_own_data(tmp_path: Path) -> None:
    """The policy holds every challenger, because the required gain of 0.5 in ROC-AUC is impossible."""
    variables = {
        **orders(tmp_path, 3000),
        "PMMDS_PROMOTION_MIN_IMPROVEMENT": "0.5",
        "PMMDS_DRIFT_MIN_DRIFT_FEATURES": "1",
    }
    home = tmp_path / "demo"
    said = pmmds(tmp_path / "unused", "demo", "--home", str(home), "--json", timeout=SECONDS, given=variables)
    assert said.code == 0, said.err
    story = said.document
    assert (story["outcome"], story["verdict"], story["last_version"]) == ("held", "drifted", "")
    assert story["decision"]["promoted"] is False
    assert {c["name"]: c["passed"] for c in story["decision"]["criteria"]}["improvement"] is False
    assert story["account"].startswith("v1 stays in production. Challenger v2 does not replace champion v1.")
    assert story["n_failed_requests"] == 0
    wait_until(lambda: running_in(home) == [])


@pytest.mark.process
@pytest.mark.timeout(SECONDS)
@pytest.mark.xdist_group("demo")
def test_no_verdict_and_no_retraining_are_valid_outcomes_on_own_data(tmp_path: Path) -> None:
    """Only 120 of the 300 rows are sent, and a verdict requires 500."""
    variables = {**orders(tmp_path, 300), "PMMDS_DRIFT_MIN_SAMPLES_REQUIRED": "500"}
    home = tmp_path / "demo"
    said = pmmds(tmp_path / "unused", "demo", "--home", str(home), timeout=SECONDS, given=variables)
    assert said.code == 0, said.err
    assert "Too few rows for a verdict, so no model was retrained. 120 rows in the window" in said.out
    assert "PSI" not in said.out
    wait_until(lambda: running_in(home) == [])


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.telco
@pytest.mark.timeout(SECONDS)
@pytest.mark.xdist_group("demo")
def test_demo_completes_on_the_telco_data(tmp_path: Path) -> None:
    telco = os.environ.get("PMMDS_TELCO_CSV", "")
    if not telco:
        pytest.skip("PMMDS_TELCO_CSV names no file")
    home = tmp_path / "demo"
    arguments = ["demo", "--home", str(home), "--json"]
    check_story(pmmds(tmp_path / "unused", *arguments, PMMDS_DATA_PATH=telco, timeout=SECONDS), home)
