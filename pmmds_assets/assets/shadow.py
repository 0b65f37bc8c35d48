"""Agreement between the shadow challenger and production on live traffic.

Not here: scoring (the service's shadow process), the promotion decision (promotion.py).
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pmmds_assets.assets.evaluation import FOLDER
from pmmds_assets.assets.model import trained_model
from pmmds_assets.charts import bar_chart, table
from pmmds_assets.groups import OWNERS, PROMOTION
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.deployment import Deployment
from pmmds_core.reports.evaluation_page import render_evaluation
from pmmds_core.reports.shadow_text import NOTHING_SHADOWED, shadow_rows, shadow_text, to_document
from pmmds_core.workflows.report_files import keep_with_model, write_report


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"python", "html"},
    deps=[trained_model, "prediction_logs"],
)
def shadow_report(deployment: DeploymentResource) -> Materialized:
    """Agreement between the shadow challenger and the served predictions: changed decisions, probability differences,
    and which model is correct on labeled rows.

    The challenger's evaluation page shows the same results.
    """
    d = deployment.open()
    version = d.shadow.newest_version()
    agreement = d.shadow.agreement(version) if version else None
    if version is None or agreement is None:
        return dg.MaterializeResult(
            data_version=dg.DataVersion("nothing"), metadata={"in words": NOTHING_SHADOWED, "dagster/row_count": 0}
        )
    document = to_document(agreement)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{version}-{agreement.n_rows}-{agreement.window_end:%Y%m%dT%H%M%S}"),
        metadata={
            "in words": shadow_text(document),
            "challenger_version": version,
            "dagster/row_count": agreement.n_rows,
            "figures": table(shadow_rows(document)),
            **_differences(document),
            **_page(d, version, document),
        },
    )


def _differences(document: dict[str, Any]) -> dict[str, Any]:
    """Return the share of changed predictions and the chart, or an empty result if there are too few requests."""
    if document["changed_share"] is None:
        return {}
    title = "Quantiles of the challenger's probability minus the served one"
    return {"changed_decisions_share": document["changed_share"], "chart": bar_chart(title, document["quantiles"])}


def _page(deployment: Deployment, version: str, document: dict[str, Any]) -> dict[str, Any]:
    """Regenerate the version's evaluation page with its shadow results."""
    evaluation = deployment.decisions.evaluation_of(version)
    if evaluation is None:
        return {"report": f"v{version} has not been evaluated yet."}
    now = datetime.now(UTC)
    html = render_evaluation(replace(evaluation, shadow=document), deployment.model_name, now)
    page = write_report(deployment, f"evaluation-v{version}", html, now)
    kept = keep_with_model(deployment, version, page, FOLDER)
    return {"report": dg.MetadataValue.path(str(page)), "mlflow": kept}
