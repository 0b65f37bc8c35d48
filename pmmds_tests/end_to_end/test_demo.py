"""The whole loop on real processes: the service, Dagster's daemon with its sensor, MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.quick_start import running_in
from pmmds_tests.harness.service_process import wait_until

SECONDS = 1500


def check_alert(home: Path) -> None:
    """Payment methods and contracts shifted; the alert names them with their shares."""
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
