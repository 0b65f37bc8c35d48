"""The pages of a deployment, as a reader reaches them. Not here: what the tests check on each."""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision


def pending_promotion(deployment: Deployment, challenger: str, champion: str) -> Decision:
    """A promotion that waits for approval, with the criteria and the evaluation of the newest training."""
    newest = next(d for d in deployment.decisions.recent() if d.document.get("evaluation"))
    return deployment.decisions.save(
        kind="promotion",
        challenger=challenger,
        champion=champion,
        promoted=True,
        reason=f"Challenger v{challenger} outperforms champion v{champion}.",
        improvement=None,
        details=newest.document,
        run_id="",
        state=PENDING_APPROVAL,
    )


def every_path(deployment: Deployment) -> list[str]:
    """Paths of the console: each kind of page, with and without content, and an error."""
    decision = deployment.decisions.recent(1)[0]
    with deployment.database.connect() as connection:
        prediction = connection.exec_driver_sql("SELECT min(request_id) FROM prediction_logs").scalar_one()
    return [
        "/",
        "/versions",
        "/versions/1",
        "/drift",
        "/drift?weeks=52",
        "/drift/tenure",
        "/drift/contract?by=internet_service",
        "/reports/1",
        "/what-if",
        "/alerts",
        "/alerts?status=resolved",
        "/alerts/1",
        "/decisions",
        "/decisions?state=aborted",
        f"/decisions/{decision.decision_id}",
        "/predictions",
        f"/predictions?id={prediction}",
        "/predictions?id=nope",
        "/quality",
        "/audit",
        "/nothing",
    ]
