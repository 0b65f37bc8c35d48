"""The `pmmds explain` command, which shows the lineage and feature contributions of a logged prediction.

Not here: collecting them (pmmds_core/workflows/lineage.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table, print_text
from pmmds_core.errors import DataError, UsageError
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment

SPOOL_FOLDER = "spool"
_N_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds explain 5f1c2d --json")(explain)


def explain(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Request ID from the response.")],
    all_features: Annotated[bool, typer.Option("--all", help="Show the contributions of all features.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the model, training data, validation, decision and feature contributions behind a prediction."""
    from pmmds_core.deployment import Deployment
    from pmmds_core.workflows.lineage import trace

    deployment = Deployment.from_environment()
    found = trace(deployment, _logged(deployment, request_id))
    if json:
        print_json(found)
        return
    print_text("\n".join(_chain(found)))
    _print_contributions(found, _N_SHOWN if not all_features else None)
    for note in found["notes"]:
        print_text(f"Note: {note}")


def _logged(deployment: Deployment, request_id: str) -> Any:
    """Return the logged prediction.

    Raises UsageError if the id is unknown, and DataError if the prediction is still in the spool.
    """
    from pmmds_core.workflows.lineage import find_prediction

    try:
        return find_prediction(deployment, request_id)
    except UsageError:
        from pmmds_serving.spool.search import is_spooled

        if not is_spooled(deployment.settings.home_path / SPOOL_FOLDER, request_id):
            raise
        raise DataError(
            f"The prediction {request_id} is still in the spool and not yet in the database.",
            next_step="Try again in a moment; run `pmmds status` to check the service.",
        ) from None


def _chain(found: dict[str, Any]) -> list[str]:
    prediction, model = found["prediction"], found["model"]
    lines = [
        (
            "prediction",
            f"{prediction['prediction']} (P = {prediction['probability']:.4f}), {_at(prediction['predicted_at'])}",
        ),
        ("label", _label(found["label"])),
        ("model", f"{model['name']} v{model['version']}{_details(model)}"),
        ("training", _training(found["training_data"])),
        ("validation", _validation(found["validation"])),
        ("decision", _decision(found["decision"])),
        ("trigger", _trigger(found)),
    ]
    return [f"{name:<12}{text}" for name, text in lines]


def _at(timestamp: Any) -> str:
    return f"{timestamp:%Y-%m-%d %H:%M:%S} UTC"


def _label(label: dict[str, Any] | None) -> str:
    return "not received yet" if label is None else f"{label['label']}, observed {_at(label['observed_at'])}"


def _details(model: dict[str, Any]) -> str:
    if "digest" not in model:
        return ""
    seed = "" if model["seed"] is None else f", seed {model['seed']}, code {model['code_version']}"
    return f", {model['scorer']}, digest {model['digest'][:12]}{seed}"


def _training(training: dict[str, Any] | None) -> str:
    if training is None:
        return "not recorded"
    from pmmds_core.training.mix import mix_text

    kept = "" if training["is_kept"] else " (file deleted)"
    words = mix_text(training["details"].get("mix", {}))
    mix = f": {words}" if words else ""
    return f"{counted(training['n_rows'], 'row')} of {training['source']}, digest {training['digest'][:12]}{kept}{mix}"


def _validation(validation: dict[str, Any] | None) -> str:
    if validation is None:
        return "not recorded"
    expectations = ""
    if "n_expectations" in validation:
        n_met = validation["n_expectations"] - validation["n_expectations_failed"]
        expectations = f": {n_met} of {validation['n_expectations']} expectations met"
    return f"{validation['result']}{expectations}"


def _decision(decision: dict[str, Any] | None) -> str:
    if decision is None:
        return "no promotion of this version is recorded"
    return f"{decision['decision_id']}: {decision['promotion_reason']}"


def _trigger(found: dict[str, Any]) -> str:
    retraining, alert = found["retraining"], found["alert"]
    if retraining is None:
        return "manual training"
    if alert is None:
        because = f": {retraining['cause_text']}" if retraining["cause_text"] else ""
        return f"retraining ({retraining['trigger_type']}){because}"
    return f"alert {alert['alert_id']}, attempt {retraining['attempt']}: {alert['message']}"


def _print_contributions(found: dict[str, Any], n_shown: int | None) -> None:
    explanation = found["explanation"]
    if explanation is None:
        return
    print(f"\nContributions, in log odds ({explanation['method']})")
    rows = [
        {"feature": c["feature"], "value": c["value"], "log odds": c["log_odds"]}
        for c in explanation["contributions"][:n_shown]
    ]
    print_table(rows, empty="")
    others = explanation["contributions"][len(rows) :]
    rest = f", the other {counted(len(others), 'feature')} {sum(c['log_odds'] for c in others):+.4f}" if others else ""
    print(
        f"Mean of the training rows {explanation['baseline']:+.4f}{rest}; "
        f"total {explanation['log_odds']:+.4f}, P = {explanation['probability']:.4f}."
    )
