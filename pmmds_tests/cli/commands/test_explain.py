"""`pmmds explain` shows the lineage of a prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.command_line import Said, heavy_libraries_of, pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform
from pmmds_tests.harness.prediction_records import make_records


@pytest.fixture
def explained_home(trained_home: Path) -> Path:
    """A home with five logged predictions, the first two with labels."""
    platform = DagsterPlatform.build(trained_home)
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 5, "none", seed=3).frame
    platform.log_rows(rows.head(2), "known")
    platform.log_rows(rows, "m", with_labels=False)
    return trained_home


def test_lineage_includes_data_validation_and_decision(explained_home: Path) -> None:
    found = pmmds(explained_home, "explain", "known-1", "--json").document
    deployment = DagsterPlatform.build(explained_home).deployment
    (decision,) = deployment.decisions.recent()
    version = deployment.production_version()
    assert (found["model"]["version"], found["model"]["digest"]) == ("1", version.digest)
    assert found["training_data"]["digest"] == version.tags["training_digest"]
    assert found["training_data"]["is_kept"] is True
    assert found["validation"]["result"] == "passed"
    assert found["validation"]["n_expectations"] > 50
    assert found["validation"]["n_expectations_failed"] == 0
    assert found["decision"]["decision_id"] == decision.decision_id
    assert found["label"]["label"] in (0, 1)
    assert (found["retraining"], found["alert"], found["notes"]) == (None, None, [])
    explanation = found["explanation"]
    assert explanation["probability"] == pytest.approx(found["prediction"]["probability"], abs=1e-12)
    assert len(explanation["contributions"]) == 19


def test_text_shows_lineage_and_largest_contributions(explained_home: Path) -> None:
    said = pmmds(explained_home, "explain", "m-0")
    assert said.code == 0, said.err
    for word in ("not received yet", "churn-classifier v1", "expectations met", "manual training", "total"):
        assert word in said.out
    assert "other 9 features" in said.out


@pytest.mark.slow
def test_explain_shows_the_alert_that_triggered_the_version(trained_home: Path) -> None:
    platform = DagsterPlatform.build(trained_home)
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 2500, "migration", seed=5).frame
    platform.log_rows(rows, "m")
    assert pmmds(trained_home, "retrain", "--json").document["promoted"] is True
    platform.log_rows(rows.head(1), "after", with_labels=False)
    found = pmmds(trained_home, "explain", "after-0", "--json").document
    assert found["model"]["version"] == "2"
    assert found["decision"]["challenger_version"] == "2"
    assert found["alert"]["alert_id"] == found["retraining"]["alert_id"] == 1
    assert "alert 1, attempt 1" in pmmds(trained_home, "explain", "after-0").out
    earlier = pmmds(trained_home, "explain", "m-0", "--json").document
    assert (earlier["model"]["version"], earlier["alert"]) == ("1", None)


def test_unknown_id_prints_one_sentence(explained_home: Path) -> None:
    said = pmmds(explained_home, "explain", "nobody")
    assert said.code == 2
    assert "No prediction with the request id 'nobody' is logged." in said.sentence


def test_an_id_that_is_still_in_the_spool_is_reported(explained_home: Path) -> None:
    deployment = DagsterPlatform.build(explained_home).deployment
    spool = Spool(deployment.folder("spool"), deployment.contract.feature_names)
    records: list[PredictionRecord] = make_records(deployment.contract, 20, prefix="waiting")
    spool.append(records)
    waiting: Said = pmmds(explained_home, "explain", "waiting13")
    assert waiting.code == 1
    assert "in the spool" in waiting.sentence
    assert pmmds(explained_home, "explain", "waiting").code == 2, "a prefix of an id does not match"
    spool.close()


def test_lineage_is_shown_even_without_the_model(explained_home: Path) -> None:
    spoiled = pmmds(explained_home, "explain", "m-0", "--json", PMMDS_MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert spoiled.document["explanation"] is not None, "the cached copy is enough"
    import shutil

    shutil.rmtree(explained_home / "profiles")
    gone = pmmds(explained_home, "explain", "m-0", "--json", PMMDS_MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert gone.code == 0
    assert gone.document["explanation"] is None
    assert gone.document["decision"]["challenger_version"] == "1"
    assert gone.document["training_data"] is not None
    assert any("are not available" in note for note in gone.document["notes"])


def test_explain_imports_no_heavy_library_with_a_cached_model(explained_home: Path) -> None:
    assert pmmds(explained_home, "explain", "m-0").code == 0
    loaded = heavy_libraries_of(explained_home, ["explain", "m-0", "--json"])
    assert "mlflow" not in loaded, "importing mlflow takes seconds"
    assert loaded == set()
