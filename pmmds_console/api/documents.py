"""The single resources of the API. Add a resource here.

Not here: lists (lists.py), the lineage of a prediction (pmmds_core/workflows/lineage.py).
"""

from __future__ import annotations

from dataclasses import asdict

from pmmds.resources import (
    AlertChange,
    AlertDetail,
    Approval,
    Decision,
    DecisionDetail,
    DriftReportDetail,
    Prediction,
    Retraining,
    VersionDetail,
)
from pmmds_console.api import answers
from pmmds_console.api.answers import resource
from pmmds_console.api.parameters import RowId, path_parameter
from pmmds_console.api.route import Asked, Route
from pmmds_console.problems import ambiguous, not_found
from pmmds_core.errors import UsageError

_MAX_LISTED = 5


def _version(asked: Asked) -> VersionDetail:
    version = asked.values["model_version"]
    found = asked.deployment.registrations.of_version(version)
    if found is None:
        raise not_found(f"PMMDS registered no model version {version[:32]!r}.")
    pointer = asked.deployment.decisions.pointer()
    decisions = [resource(Decision, asdict(d)) for d in asked.deployment.decisions.of_version(version)]
    is_production = pointer is not None and pointer.version == version
    return resource(
        VersionDetail, asdict(found), model_version=version, is_production=is_production, decisions=decisions
    )


def _report(asked: Asked) -> DriftReportDetail:
    report_id = asked.values["report_id"]
    found = asked.deployment.drift.get(report_id)
    if found is None or found.model_name != asked.deployment.model_name:
        raise not_found(f"There is no drift report {report_id}.")
    return resource(DriftReportDetail, asdict(found))


def _alert(asked: Asked) -> AlertDetail:
    alert_id = asked.values["alert_id"]
    try:
        found = asked.deployment.alerts.get(alert_id)
    except UsageError:
        raise not_found(f"There is no alert {alert_id}.") from None
    if found.model_name != asked.deployment.model_name:
        raise not_found(f"There is no alert {alert_id}.")
    changes = [resource(AlertChange, asdict(c)) for c in asked.deployment.alerts.changes(alert_id)]
    runs = [resource(Retraining, row) for row in asked.deployment.history.retrainings(alert_id)]
    return resource(AlertDetail, asdict(found), changes=changes, retrainings=runs)


def _decision(asked: Asked) -> DecisionDetail:
    decision_id = asked.values["decision_id"]
    found = asked.deployment.decisions.get(decision_id)
    if found is None:
        raise not_found(f"There is no decision {decision_id[:32]!r}.")
    approvals = [resource(Approval, asdict(a)) for a in asked.deployment.decisions.approvals(decision_id)]
    return resource(DecisionDetail, asdict(found), approvals=approvals)


def _prediction(asked: Asked) -> Prediction:
    from pmmds_core.workflows.lineage import find_prediction, trace

    request_id, deployment = asked.values["request_id"], asked.deployment
    ids = deployment.prediction_log.ids_named(request_id)
    if not ids:
        raise not_found("No prediction with this id is in the database. A new one arrives after a moment.")
    if len(ids) > 1:
        listed = ", ".join(ids[:_MAX_LISTED])
        raise ambiguous(f"The client used this id for {len(ids)} rows; ask for one of the service's ids: {listed}.")
    lineage = trace(deployment, find_prediction(deployment, ids[0]))
    return answers.prediction(lineage, deployment.settings.home_path)


DOCUMENTS = (
    Route(
        "/versions/{model_version}",
        "getVersion",
        "A model version with the decisions on it",
        VersionDetail,
        _version,
        (path_parameter("model_version", str, "The version in the registry"),),
        (404,),
    ),
    Route(
        "/drift-reports/{report_id}",
        "getDriftReport",
        "A drift report with its document",
        DriftReportDetail,
        _report,
        (path_parameter("report_id", RowId, "Number of the report"),),
        (404,),
    ),
    Route(
        "/alerts/{alert_id}",
        "getAlert",
        "An alert with its changes and retraining runs",
        AlertDetail,
        _alert,
        (path_parameter("alert_id", RowId, "Number of the alert"),),
        (404,),
    ),
    Route(
        "/decisions/{decision_id}",
        "getDecision",
        "A decision with its criteria and evaluation",
        DecisionDetail,
        _decision,
        (path_parameter("decision_id", str, "Id of the decision"),),
        (404,),
    ),
    Route(
        "/predictions/{request_id}",
        "getPrediction",
        "Lineage and explanation of a logged prediction",
        Prediction,
        _prediction,
        (path_parameter("request_id", str, "Id of the prediction, or the client's request id", has_slashes=True),),
        (404, 409),
    ),
)
