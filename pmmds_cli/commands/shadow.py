"""The `pmmds shadow` command, which compares the challenger with the served predictions. Changes nothing.

Not here: the measures (pmmds_core/evaluation/shadow.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.commands.completion import versions
from pmmds_cli.output.console import JsonOption, print_json, print_table, print_text

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment

RUN_FOLDER = "run"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds shadow --json")(shadow)


def shadow(
    version: Annotated[
        str,
        typer.Option(
            "--version",
            help="Model version. Default: the version with the latest shadow predictions.",
            autocompletion=versions,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Compare the shadow predictions of the challenger with the served predictions."""
    from pmmds_core.deployment import Deployment
    from pmmds_core.reports.shadow_text import shadow_rows, shadow_text, to_document

    deployment = Deployment.from_environment()
    chosen = version.strip().removeprefix("v") or deployment.shadow.newest_version()
    found = deployment.shadow.agreement(chosen) if chosen else None
    document = None if found is None else to_document(found)
    state = _state(deployment)
    if json:
        print_json({"setting": deployment.settings.shadow, "scorer": state, "agreement": document})
        return
    print_text(shadow_text(document) if document or not version else f"v{chosen} has no shadow predictions.")
    if document is not None:
        print_table(shadow_rows(document), empty="")
    if state["status"] == "problem":
        print_text(f"Shadow scoring is stopped: {state['problem']}")


def _state(deployment: Deployment) -> dict[str, Any]:
    """Return the most recent status that this home's shadow process wrote."""
    from pmmds_serving.shadow.status import ShadowFiles

    return ShadowFiles(deployment.settings.home_path / RUN_FOLDER).part(deployment.settings.shadow)
