"""Model performance in production, which is realized as labels arrive and estimated without labels.

Not here: drift (monitoring.py).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pmmds_assets.assets.data import labelled_predictions
from pmmds_assets.assets.model import reference_profile
from pmmds_assets.charts import bar_chart, line_chart, reliability_chart, table
from pmmds_assets.check_results import check_result, not_evaluated
from pmmds_assets.groups import MONITORING, OWNERS
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.deployment import Deployment
from pmmds_core.evaluation.production import measure_production
from pmmds_core.reports.performance_page import PerformanceHead, render_performance, sentence
from pmmds_core.reports.performance_text import CBPE_EXPLANATION, estimate_text, realized_text
from pmmds_core.workflows.daily_performance import digest_of, refresh_days
from pmmds_core.workflows.report_files import keep_with_model, write_report

LABELS_CHECK, ESTIMATE_CHECK, AGREEMENT_CHECK = (
    "labels_have_arrived",
    "estimate_is_inside_the_reference",
    "truth_agrees_with_the_estimate",
)
Document = Mapping[str, Any]


class PerformanceConfig(dg.Config):
    """The run configuration. `days` is the number of UTC days to report, including today."""

    days: int = 30


@dg.asset(
    group_name=MONITORING,
    owners=OWNERS,
    kinds={"sklearn", "html"},
    deps=[labelled_predictions, reference_profile],
    check_specs=[
        dg.AssetCheckSpec(LABELS_CHECK, asset="performance_report", description="At least one day has enough labels"),
        dg.AssetCheckSpec(
            ESTIMATE_CHECK,
            asset="performance_report",
            description="The newest day's rows are within the reference's range, so its CBPE estimate is valid",
        ),
        dg.AssetCheckSpec(
            AGREEMENT_CHECK,
            asset="performance_report",
            description="The newest realized ROC-AUC agrees with its estimate; a difference suggests concept drift",
        ),
    ],
)
def performance_report(
    context: dg.AssetExecutionContext, config: PerformanceConfig, deployment: DeploymentResource
) -> Materialized:
    """Realized performance by day (with intervals) and by model version, and a daily estimate without labels (CBPE)."""
    d = deployment.open()
    documents = refresh_days(d, config.days)
    now = datetime.now(UTC)
    page = write_report(
        d, "performance", render_performance(documents, PerformanceHead(d.model_name, config.days, now)), now
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest_of(documents)[:16]),
        metadata={
            "in words": sentence(documents),
            "dagster/row_count": sum(x["n_rows"] for x in documents),
            "n_labels_missing": sum(x["n_labels_missing"] for x in documents),
            "days": table([_row(x) for x in reversed(documents)]),
            "estimate": CBPE_EXPLANATION,
            "report": dg.MetadataValue.path(str(page)),
            "mlflow": _kept(d, documents, page),
            **_version_metadata(d),
            **_charts(documents),
        },
        check_results=[_labels_result(documents), _estimate_result(documents), _agreement_result(documents)],
    )


def _kept(deployment: Deployment, documents: Sequence[Document], page: Path) -> str:
    if not documents:
        return "not logged, because there were no predictions on these days"
    return keep_with_model(deployment, documents[-1]["model_version"], page, "performance")


def _row(document: Document) -> dict[str, Any]:
    return {
        "day": document["day"],
        "model_version": document["model_version"],
        "n_rows": document["n_rows"],
        "n_labels_missing": document["n_labels_missing"],
        "roc_auc": realized_text(document, "roc_auc"),
        "log_loss": realized_text(document, "log_loss"),
        "brier_score": realized_text(document, "brier_score"),
        "calibration_error": realized_text(document, "calibration_error"),
        "estimated_roc_auc": estimate_text(document),
    }


def _version_metadata(deployment: Deployment) -> dict[str, Any]:
    report = measure_production(deployment.ground_truth.labelled_rows(), deployment.settings.drift_min_samples_required)
    bars = {f"v{v.model_version}": v.roc_auc for v in report.versions if v.roc_auc is not None}
    versions = {"versions": table([v.to_row() for v in report.versions])}
    return {**versions, "chart": bar_chart("ROC-AUC in production", bars)} if bars else versions


def _charts(documents: Sequence[Document]) -> dict[str, Any]:
    measured = [x for x in documents if x["realized"] is not None]
    if not measured:
        return {}
    points = [(_day_label(x, measured), x["realized"]["roc_auc"]["value"]) for x in measured]
    newest = measured[-1]
    return {
        "chart_by_day": line_chart("Realized ROC-AUC", points, unit="ROC-AUC"),
        "calibration_chart": reliability_chart(
            f"Calibration of v{newest['model_version']} on {newest['day']}", newest["reliability"]
        ),
    }


def _day_label(document: Document, measured: Sequence[Document]) -> str:
    """Return the month and day, followed by the version if several versions served on that day."""
    same_day = sum(x["day"] == document["day"] for x in measured)
    return f"{document['day'][5:]} v{document['model_version']}" if same_day > 1 else str(document["day"][5:])


def _labels_result(documents: Sequence[Document]) -> dg.AssetCheckResult:
    measured = [x for x in documents if x["realized"] is not None]
    if not measured:
        return not_evaluated(LABELS_CHECK, sentence(documents))
    return check_result(LABELS_CHECK, True, {"newest_day": measured[-1]["day"], "in words": sentence(documents)})


def _estimate_result(documents: Sequence[Document]) -> dg.AssetCheckResult:
    if not documents:
        return not_evaluated(ESTIMATE_CHECK, sentence(documents))
    estimate = documents[-1]["estimated"]
    if estimate["is_valid"]:
        return check_result(ESTIMATE_CHECK, True, {"day": documents[-1]["day"], "roc_auc": estimate["roc_auc"]})
    return not_evaluated(ESTIMATE_CHECK, f"{documents[-1]['day']}: {'; '.join(estimate['reasons'])}")


def _agreement_result(documents: Sequence[Document]) -> dg.AssetCheckResult:
    """Check that the intervals of the realized and the estimated ROC-AUC overlap."""
    both = [x for x in documents if x["realized"] is not None and x["estimated"]["is_valid"]]
    if not both:
        return not_evaluated(AGREEMENT_CHECK, "No day has both enough labels and a valid estimate.")
    realized, estimated = both[-1]["realized"]["roc_auc"], both[-1]["estimated"]
    agree = realized["low"] <= estimated["roc_auc_high"] and estimated["roc_auc_low"] <= realized["high"]
    metadata = {"day": both[-1]["day"], "realized": realized["value"], "estimated": estimated["roc_auc"]}
    return dg.AssetCheckResult(
        check_name=AGREEMENT_CHECK, passed=agree, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )
