"""`pmmds labels import`."""

from __future__ import annotations

from pathlib import Path

from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform
from pmmds_tests.harness.prediction_records import make_records


def test_labels_are_imported_corrected_and_matched(tmp_path: Path) -> None:
    home = tmp_path / "home"
    deployment = DagsterPlatform.build(home).deployment
    log = PredictionLog(deployment.database, deployment.contract)
    log.append(make_records(deployment.contract, 2))
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("request_id,label,observed_at\nr0,1,2026-03-05T00:00:00Z\nlater0,1,2026-03-05T00:00:00Z\n")
    second.write_text("request_id,label,observed_at\nr0,No,2026-03-06T00:00:00Z\nr0,1,2026-03-04T00:00:00Z\n")
    said = pmmds(home, "labels", "import", str(first))
    assert said.code == 0, said.err
    assert "1 accepted" in said.out
    assert "Labels of 1 request are stored" in said.out
    document = pmmds(home, "labels", "import", str(second), "--json").document
    assert document == {
        "n_rows": 2,
        "accepted": 0,
        "updated": 1,
        "unknown": 0,
        "outdated": 1,
        "ambiguous": 0,
        "n_waiting": 1,
    }
    assert sorted((f"{o.observed_at:%d}", o.label) for o in deployment.ground_truth.history("r0")) == [
        ("04", 1),
        ("05", 1),
        ("06", 0),
    ]
    log.append(make_records(deployment.contract, 1, prefix="later"))
    assert deployment.ground_truth.match_waiting().accepted == 1
    found = deployment.ground_truth.labelled_rows()
    assert dict(zip(found.request_ids, found.labels.tolist(), strict=True)) == {"r0": 0, "later0": 1}


def test_invalid_file_changes_nothing(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "labels.csv"
    deployment = DagsterPlatform.build(home).deployment
    PredictionLog(deployment.database, deployment.contract).append(make_records(deployment.contract, 1))
    file.write_text("request_id,label,observed_at\nr0,1,2026-03-05T00:00:00Z\nr0,2,2026-03-05T00:00:00Z\n")
    said = pmmds(home, "labels", "import", str(file))
    assert said.code == 2
    assert "1 of 2 rows are invalid; line 3: label '2'" in said.sentence
    assert deployment.ground_truth.summary().n_rows == 0
    assert deployment.ground_truth.history("r0") == []
