"""Input data assets: the reference data and the labeled production rows."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from pmmds_assets.charts import bar_chart, table
from pmmds_assets.check_results import check_result
from pmmds_assets.groups import DATA, OWNERS
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.expectations import SuiteResult
from pmmds_core.data.pandera_schema import SchemaCheck, check_frame
from pmmds_core.data.reader import content_digest
from pmmds_core.data.row_identity import REQUEST_ID
from pmmds_core.data.suite_process import validate
from pmmds_core.deployment import Deployment
from pmmds_core.stores.files.reference_source import load_reference
from pmmds_core.training.mix import PREDICTED_AT
from pmmds_core.workflows.training_preparation import prepare_training

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_CHECK, SUITE_CHECK = "reference_follows_schema", "expectations_are_met"


class ReferenceDataConfig(dg.Config):
    """The run configuration.

    `validate_data: false` skips the expectations for debugging and tags the model version `skipped`.
    """

    validate_data: bool = True


def make_reference_data(upstream: Sequence[dg.AssetKey] = ()) -> dg.AssetsDefinition:
    """Return the asset. `upstream` lists the project's assets that write the data at PMMDS_DATA_PATH."""

    @dg.asset(
        group_name=DATA,
        owners=OWNERS,
        kinds={"csv", "pandas", "pandera"},
        deps=upstream,
        check_specs=[
            dg.AssetCheckSpec(SCHEMA_CHECK, asset="reference_data", blocking=True, description="The contract's schema"),
            dg.AssetCheckSpec(
                SUITE_CHECK, asset="reference_data", blocking=True, description="Great Expectations suite"
            ),
        ],
    )
    def reference_data(
        context: dg.AssetExecutionContext, config: ReferenceDataConfig, deployment: DeploymentResource
    ) -> Materialized:
        """The reference data, loaded, normalized by the contract, and checked by pandera and Great Expectations.

        It is loaded from PMMDS_DATA_PATH or, if that is not set, from the downloaded file or the packaged synthetic
        sample.
        """
        return _loaded(deployment.open(), context.run.run_id, with_suite=config.validate_data)

    return reference_data


reference_data = make_reference_data()


def _loaded(d: Deployment, run_id: str, *, with_suite: bool) -> Materialized:
    source = load_reference(d.settings, d.contract)
    frame, digest = source.data.frame, source.data.digest
    schema = check_frame(frame, d.contract)
    suite = validate(frame, d.contract, partial(prepare_training, d)) if with_suite else None
    folder = _write_validation(d, digest, schema, suite)
    dataset = d.datasets.save(
        "reference",
        frame,
        digest,
        source=source.description,
        run_id=run_id,
        details={
            "validation": _validation(schema, suite),
            "validation_folder": str(folder),
            "source_kind": source.kind,
        },
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest[:16]),
        metadata={
            "dagster/row_count": len(frame),
            "source": source.description,
            "source_kind": source.kind,
            "validation": dataset.details["validation"],
            "validation_report": dg.MetadataValue.path(str(folder)),
            "path": dg.MetadataValue.path(str(dataset.path)),
            "columns": table(column_summary(frame, d.contract)),
            "label_share": float(frame[d.contract.label.name].mean()),
            "chart": _label_chart(frame, d.contract),
        },
        check_results=[_schema_result(schema), _suite_result(suite)],
    )


def _validation(schema: SchemaCheck, suite: SuiteResult | None) -> str:
    if not schema.passed or (suite is not None and not suite.passed):
        return "failed"
    return "skipped" if suite is None else "passed"


def _write_validation(deployment: Deployment, digest: str, schema: SchemaCheck, suite: SuiteResult | None) -> Path:
    """Write the results as JSON and HTML, and return their folder. The asset trained_model logs these files."""
    folder = deployment.folder(f"validation/{digest[:16]}")
    document = {"passed": schema.passed, "n_rows": schema.n_rows, "failures": [vars_of(f) for f in schema.failures]}
    (folder / "schema.json").write_text(json.dumps(document, indent=2, default=str), encoding="utf-8")
    if suite is not None:
        (folder / "expectations.json").write_text(json.dumps(suite.document, indent=2, default=str), encoding="utf-8")
        (folder / "expectations.html").write_text(suite.html, encoding="utf-8")
    return folder


def vars_of(result: Any) -> dict[str, Any]:
    """Return a dataclass's fields and their values."""
    return {name: getattr(result, name) for name in result.__dataclass_fields__}


def _schema_result(schema: SchemaCheck) -> dg.AssetCheckResult:
    failures = [{k: str(v) for k, v in vars_of(f).items()} for f in schema.failures[:50]]
    return check_result(
        SCHEMA_CHECK, schema.passed, {"n_rows": schema.n_rows, "n_failures": len(schema.failures)}, failures
    )


def _suite_result(suite: SuiteResult | None) -> dg.AssetCheckResult:
    if suite is None:
        return check_result(
            SUITE_CHECK, True, {"skipped": "validate_data is false, so the model version is tagged `skipped`"}
        )
    metadata = {"n_expectations": suite.n_expectations, "n_failed": suite.n_failed}
    failures = [
        {"column": o.column or "table", "expected": f"expected {o.expected}", "observed": f"found {o.observed}"}
        for o in suite.outcomes
        if not o.passed
    ]
    return check_result(SUITE_CHECK, suite.passed, metadata, failures[:50])


def column_summary(frame: "pd.DataFrame", contract: Contract) -> list[dict[str, Any]]:
    """Return one row per feature with its kind, its share of missing values, and its range or most frequent value."""
    rows = []
    for feature in contract.features:
        values = frame[feature.name]
        if feature.is_numeric:
            shown = f"{values.min():g} to {values.max():g}, median {values.median():g}"
        else:
            top = values.value_counts(normalize=True)
            shown = f"{top.index[0]} ({top.iloc[0]:.0%})" if len(top) else ""
        null_share = float(values.isna().mean())
        rows.append({"feature": feature.name, "kind": feature.kind, "null_share": null_share, "values": shown})
    return rows


def _label_chart(frame: "pd.DataFrame", contract: Contract) -> dg.MarkdownMetadataValue:
    label = contract.label
    share = float(frame[label.name].mean())
    bars = {f"{label.name} = {label.positive}": share, f"{label.name} = {label.negative}": 1 - share}
    return bar_chart("Share of each class", bars)


@dg.asset(
    group_name=DATA,
    owners=OWNERS,
    kinds={"sql", "pandas"},
    deps=["prediction_logs", "ground_truth"],
)
def labelled_predictions(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Labeled production rows: prediction_logs joined with ground_truth, oldest first.

    Labels that arrived before their prediction was logged or after the prediction was archived are matched first.
    """
    d = deployment.open()
    matched, late = d.ground_truth.match_waiting(), d.ground_truth.match_archived()
    rows, delays = d.ground_truth.labelled_rows(), d.ground_truth.delays()
    named = {REQUEST_ID: rows.request_ids, PREDICTED_AT: rows.predicted_at.astype("datetime64[us]")}
    frame = rows.to_frame(d.contract).assign(**named)
    digest = content_digest(frame)
    dataset = d.datasets.save(
        "labelled", frame, digest, source="prediction_logs", run_id=context.run.run_id, details={"n_rows": len(frame)}
    )
    by_version = [
        {"model_version": v, "n_rows": int((rows.model_versions == v).sum())} for v in sorted(set(rows.model_versions))
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest[:16]),
        metadata={
            "dagster/row_count": len(frame),
            "by_model_version": table(by_version),
            "label_delays": table(delays.rows()),
            "arrived": table([{"arrived": k, "share of labels": v} for k, v in delays.shares().items()]),
            "n_matched_now": matched.accepted + matched.updated + late.accepted + late.updated,
            "n_waiting_for_their_prediction": d.ground_truth.n_waiting(),
            "newest_predicted_at": str(rows.predicted_at.max()) if len(frame) else "none",
            "path": dg.MetadataValue.path(str(dataset.path)),
            "chart": bar_chart(
                "Labeled rows by model version", {f"v{r['model_version']}": r["n_rows"] for r in by_version}
            ),
        },
    )
