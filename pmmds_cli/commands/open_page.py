"""open: the page of an alert, a decision, a version or a report in a browser, or the page of a process.

Not here: the pages (pmmds_console, Dagster, MLflow).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands import completion
from pmmds_cli.output.console import say
from pmmds_core.errors import UsageError

if TYPE_CHECKING:
    from pmmds_core.config.settings import Settings
    from pmmds_core.deployment import Deployment

PROCESSES = ("console", "dagster", "mlflow", "service")
THINGS = ("alert", "decision", "version", "report")
# SQLite and PostgreSQL number rows with 64 bits.
_MAX_DIGITS = 18


def _complete_page(incomplete: str) -> list[str]:
    return [name for name in (*THINGS, *PROCESSES) if name.startswith(incomplete)]


def _complete_id(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The IDs of the thing that the first argument names."""
    completers = {
        "alert": completion.alert_ids,
        "decision": completion.decision_ids,
        "version": completion.versions,
        "report": completion.report_ids,
    }
    complete = completers.get(ctx.params.get("page") or "")
    return complete(incomplete) if complete else []


def register(app: typer.Typer) -> None:
    app.command("open", epilog="Example: pmmds open alert 3")(open_page)


def open_page(
    page: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(THINGS)} (with ID), or {', '.join(PROCESSES)}.", autocompletion=_complete_page
        ),
    ],
    identifier: Annotated[
        str,
        typer.Argument(metavar="[ID]", help="Number of the alert, version or report; ID.", autocompletion=_complete_id),
    ] = "",
    only_print: Annotated[bool, typer.Option("--print", help="Print the address; open no browser.")] = False,
) -> None:
    """Print the address of a page and open it in a browser, if there is one."""
    from pmmds_core.config.settings import load_settings

    address = _address(load_settings(), page, identifier)
    print(address)
    if not only_print and not _open_browser(address):
        say("No browser could be started; open the address yourself.")


def _address(settings: Settings, page: str, identifier: str) -> str:
    """Raises UsageError for an unknown page, and for an ID that is missing, superfluous or unknown."""
    if page in PROCESSES:
        if identifier:
            raise UsageError(f"{page} takes no ID.", next_step=f"Use `pmmds open {page}`.")
        return _addresses(settings)[page]
    if page not in THINGS:
        raise UsageError(f"There is no page {page!r}.", next_step=f"Choose one of {', '.join((*THINGS, *PROCESSES))}.")
    if not identifier:
        raise UsageError(f"{page} needs an ID.", next_step=f"Use `pmmds open {page} ID`.")
    from pmmds_core.deployment import Deployment

    paths: dict[str, Callable[[Deployment, str], str]] = {
        "alert": _alert_path,
        "decision": _decision_path,
        "version": _version_path,
        "report": _report_path,
    }
    return _addresses(settings)["console"].rstrip("/") + paths[page](Deployment(settings), identifier)


def _addresses(settings: Settings) -> dict[str, str]:
    """The address of each process's first page, for a browser on this machine unless a setting gives a public one."""
    from pmmds_core.config.urls import client_url

    console = settings.console_url or client_url(settings.console_host, settings.console_port, "/")
    return {
        "console": console,
        "dagster": settings.console_dagster_url or client_url(settings.dagster_host, settings.dagster_port, "/"),
        "mlflow": settings.console_mlflow_url or client_url(settings.mlflow_host, settings.mlflow_port, "/"),
        "service": client_url(settings.http_host, settings.http_port, "/"),
    }


def _alert_path(deployment: Deployment, identifier: str) -> str:
    return f"/alerts/{deployment.alerts.get(_number(identifier, 'alert')).alert_id}"


def _decision_path(deployment: Deployment, identifier: str) -> str:
    if deployment.decisions.get(identifier) is None:
        raise UsageError(f"There is no decision {identifier!r}.", next_step="`pmmds decisions` lists them.")
    return f"/decisions/{identifier}"


def _version_path(deployment: Deployment, identifier: str) -> str:
    version = str(_number(identifier.removeprefix("v"), "version"))
    if deployment.registrations.of_version(version) is None and not deployment.decisions.of_version(version):
        raise UsageError(f"PMMDS registered no version {version}.", next_step="`pmmds decisions` names the versions.")
    return f"/versions/{version}"


def _report_path(deployment: Deployment, identifier: str) -> str:
    number = _number(identifier, "report")
    report = deployment.drift.get(number)
    if report is None or report.model_name != deployment.model_name:
        raise UsageError(f"There is no drift report {number}.", next_step="`pmmds open console` has the list.")
    return f"/reports/{number}"


def _number(text: str, thing: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise UsageError(
            f"{text!r} is not the number of {'an' if thing == 'alert' else 'a'} {thing}.",
            next_step=f"Use `pmmds open {thing} 1`.",
        )
    return int(text)


def _open_browser(address: str) -> bool:
    """False if this machine has no browser or it does not start."""
    import webbrowser

    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
