"""performance_job reports a challenger's shadow scores in the report, on the evaluation page and in the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.stores.predictions.shadow import LogPosition, ShadowScore
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of, metadata_of
from pmmds_tests.harness.prediction_records import NOON

N_ROWS = 120


@pytest.fixture(scope="module")
def platform(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> DagsterPlatform:
    """A platform whose model answered 120 requests, 30 of them labeled, without shadow scores."""
    platform = copy_of(trained_home, tmp_path_factory.mktemp("shadowed"))
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, N_ROWS, "none", seed=3).frame
    platform.log_rows(rows.head(30), "known")
    platform.log_rows(rows.tail(90), "new", with_labels=False)
    return platform


def score_as(platform: DagsterPlatform, version: str, shift: float) -> None:
    """Store shadow scores for every logged request: its probability plus `shift`."""
    deployment = platform.deployment
    waiting = deployment.shadow.waiting(version, LogPosition(NOON.replace(year=2000)), N_ROWS)
    answers = deployment.prediction_log.find(r.request_id for r in waiting)
    shifted = [(r, min(1.0, answers[r.request_id].probability + shift)) for r in waiting]
    deployment.shadow.add(version, [ShadowScore(r.request_id, r.predicted_at, p, int(p >= 0.5)) for r, p in shifted])


def test_missing_shadow_scores_are_reported(platform: DagsterPlatform) -> None:
    result = platform.run("performance_job")
    assert result.success, errors_of(result)
    metadata = metadata_of(result, "shadow_report")
    assert "has not scored live traffic yet" in metadata["in words"].value
    said = pmmds(Path(platform.environment["PMMDS_HOME"]), "shadow")
    assert said.code == 0, said.err
    assert "has not scored live traffic yet" in said.out


def test_a_few_shadow_scores_are_counted_but_not_compared(platform: DagsterPlatform) -> None:
    few = platform.deployment.shadow.waiting("9", LogPosition(NOON.replace(year=2000)), 3)
    platform.deployment.shadow.add("9", [ShadowScore(r.request_id, r.predicted_at, 1.0, 1) for r in few])
    home = Path(platform.environment["PMMDS_HOME"])
    found = pmmds(home, "shadow", "--version", "9", "--json").document["agreement"]
    assert (found["n_rows"], found["verdict"], found["changed_share"]) == (3, "insufficient_data", None)
    said = " ".join(pmmds(home, "shadow", "--version", "9").out.split())
    assert "scored 3 live requests" in said
    assert "At least 100 are required to compare the two." in said
    assert "%" not in said


def test_report_page_and_command_show_the_same_agreement(platform: DagsterPlatform) -> None:
    result = platform.run("train_job")
    assert result.success, errors_of(result)
    score_as(platform, "2", 0.2)
    n_changed = sum(
        (record.probability < 0.5) and (record.probability + 0.2 >= 0.5)
        for record in platform.deployment.prediction_log.recent(N_ROWS)
    )
    assert n_changed > 0, "the sample contains rows near the threshold"

    result = platform.run("performance_job")
    assert result.success, errors_of(result)
    metadata = metadata_of(result, "shadow_report")
    assert metadata["challenger_version"].value == "2"
    assert metadata["dagster/row_count"].value == N_ROWS
    assert metadata["changed_decisions_share"].value == pytest.approx(n_changed / N_ROWS)
    page = Path(metadata["report"].path).read_text(encoding="utf-8")
    assert f"scored {N_ROWS} live requests" in page

    found = pmmds(Path(platform.environment["PMMDS_HOME"]), "shadow", "--json").document["agreement"]
    assert (found["challenger_version"], found["n_rows"]) == ("2", N_ROWS)
    assert found["n_to_positive"] == n_changed
    assert found["labelled"]["n_labelled"] == 30
    words = pmmds(Path(platform.environment["PMMDS_HOME"]), "shadow", "--version", "2").out
    assert f"scored {N_ROWS} live requests" in " ".join(words.split())
    unknown = pmmds(Path(platform.environment["PMMDS_HOME"]), "shadow", "--version", "8")
    assert unknown.out.strip() == "v8 has no shadow predictions."
