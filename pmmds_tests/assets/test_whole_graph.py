"""All assets run together, as "Materialize all" launches them for a selected hour."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from pmmds_assets.partitions import key_of
from pmmds_tests.assets.test_graph import EDGES
from pmmds_tests.harness.dagster_platform import QUIET, DagsterPlatform, assets_made, errors_of, failed_checks

# These checks warn, because they cannot run without a production model and rows.
COULD_NOT_LOOK = {
    "features_are_stable",
    "window_has_enough_rows",
    "estimate_is_inside_the_reference",
    "labels_have_arrived",
    "truth_agrees_with_the_estimate",
}


def materialize_all(platform: DagsterPlatform, hour: str) -> dg.ExecuteInProcessResult:
    result = platform.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance, run_config=QUIET, partition_key=hour, raise_on_error=False
    )
    assert result.success, errors_of(result)
    return result


def test_the_whole_graph_can_be_materialized_twice_on_an_empty_home(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path)
    everything = set(EDGES) - {"prediction_logs", "ground_truth"}
    hour = key_of(datetime.now(UTC))  # the runs may end in the hour after they started
    first = materialize_all(platform, hour)
    assert assets_made(first) == everything - {"drift_report"}, "no model was in production when drift was checked"
    assert failed_checks(first) == COULD_NOT_LOOK
    assert platform.deployment.production_version().version == "1"
    made = platform.instance.get_materialized_partitions(dg.AssetKey("feature_histograms"))
    assert hour in made

    second = materialize_all(platform, hour)
    assert assets_made(second) == everything
    assert platform.deployment.production_version().version == "1", "the same data gives no better model"
