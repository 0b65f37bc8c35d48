"""The challenger beside production on live traffic: the shadow's agreement, and the evaluation's page with it.

Keep out: scoring (the service's shadow process), judging (promotion.py).
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
from pmmds_core.reports.shadow_text import NOTHING_SHADOWED, shadow_rows, shadow_words, to_document
from pmmds_core.workflows.report_files import keep_with_model, write_report


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"python", "html"},
    deps=[trained_model, "prediction_logs"],
)
def shadow_report(deployment: DeploymentResource) -> Materialized:
    """How far the challenger, scoring live traffic as a shadow, agrees with what was answered: changed decisions,
    differences of the probability, who is right where labels are known; shown on its evaluation's page too."""
    d = deployment.open()
    version = d.shadow.newest_version()
    found = d.shadow.agreement(version) if version else None
    if version is None or found is None:
        return dg.MaterializeResult(
            data_version=dg.DataVersion("nothing"), metadata={"in words": NOTHING_SHADOWED, "dagster/row_count": 0}
        )
    document = to_document(found)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{version}-{found.n_rows}-{found.window_end:%Y%m%dT%H%M%S}"),
        metadata={
            "in words": shadow_words(document),
            "challenger_version": version,
            "dagster/row_count": found.n_rows,
            "changed_decisions_share": found.changed_share,
            "figures": table(shadow_rows(document)),
            "chart": bar_chart("Challenger minus answer, by share of requests below", found.quantiles),
            **_page(d, version, document),
        },
    )


def _page(deployment: Deployment, version: str, document: dict[str, Any]) -> dict[str, Any]:
    """The version's evaluation page, made anew with what its shadow found since."""
    evaluation = deployment.decisions.evaluation_of(version)
    if evaluation is None:
        return {"report": f"v{version} was not evaluated yet."}
    now = datetime.now(UTC)
    html = render_evaluation(replace(evaluation, shadow=document), deployment.model_name, now)
    page = write_report(deployment, f"evaluation-v{version}", html, now)
    kept = keep_with_model(deployment, version, page, FOLDER)
    return {"report": dg.MetadataValue.path(str(page)), "mlflow": kept}
