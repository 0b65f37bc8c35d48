"""The `pmmds demo` command, which runs the closed loop on real processes in a separate home.

Not here: the steps (demo_steps.py).
"""

from __future__ import annotations

import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_core.errors import UsageError
from pmmds_core.runtime.private_folders import make_private

if TYPE_CHECKING:
    from pmmds_core.config.settings import Settings
    from pmmds_core.contract_inference.draft import ContractDraft

# These settings may point to a real deployment or to people, whom the alerts of the demo must not reach.
_PLACES = (
    "alert_urls",
    "webhook_urls",
    "archive_path",
    "database_url",
    "mlflow_tracking_uri",
    "mlflow_database_url",
    "mlflow_artifact_root",
    "dagster_database_url",
    "dagster_code_server",
)
MARKER = "this-folder-is-made-by-pmmds-demo"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: PMMDS_DATA_PATH=telco.csv pmmds demo --keep-up")(demo)


def demo(
    home: Annotated[str, typer.Option("--home", help="Home of the demo, recreated on each run.")] = ".pmmds-demo",
    data: Annotated[
        Path | None, typer.Option("--data", help="Run on this CSV or Parquet file, with a contract inferred from it.")
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Label column of --data, with two distinct values.")] = "",
    keep_up: Annotated[bool, typer.Option("--keep-up", help="Leave the processes running.")] = False,
    json: JsonOption = False,
) -> None:
    """Run the whole loop on real processes: train, serve, drift, alert, retrain, promote, swap.

    With your own data (--data, or PMMDS_CONTRACT and PMMDS_DATA_PATH), a stable verdict and a held challenger are
    results, not failures: the demo prints the reason and exits with 0.
    """
    from pmmds_cli.commands.demo_steps import Demo
    from pmmds_cli.output.demo_result import summary_lines
    from pmmds_core.config.settings import load_settings

    draft = _inferred(data, label)
    settings = _demo_settings(load_settings(), _fresh_home(Path(home)))
    if draft is not None and data is not None:
        settings = _with_project(settings, draft, data)
    demo_run = Demo(settings)
    with demo_run.processes(keep_up=keep_up):
        result = demo_run.run()
    if json:
        print_json(result.to_document())
        return
    print("\n" + "\n".join(summary_lines(result, demo_run.settings, keep_up=keep_up)))


def _inferred(data: Path | None, label: str) -> ContractDraft | None:
    """Infer a contract from the user's file, if there is one, before an earlier demo's home is deleted."""
    if (data is None) != (not label):
        raise UsageError("--data and --label must be used together.", next_step="Pass both or neither.")
    if data is None:
        return None
    from pmmds_core.contract_inference.infer import InferenceOptions, infer_contract

    return infer_contract(data, label, InferenceOptions())


def _with_project(settings: Settings, draft: ContractDraft, data: Path) -> Settings:
    """Write the inferred contract into the demo's home and select it."""
    import msgspec

    from pmmds_cli.commands.init import print_draft
    from pmmds_core.contract_inference.project import write_project

    project = write_project(draft, data, settings.home_path / "project")
    with redirect_stdout(sys.stderr):
        print_draft(draft)
    say(f"Contract: {project.contract}")
    return msgspec.structs.replace(settings, contract=str(project.contract), data_path=str(project.data))


def _fresh_home(path: Path) -> Path:
    """Return an empty folder. Delete existing content only if an earlier demo created it."""
    path = path.expanduser().absolute()
    if path.exists() and any(path.iterdir()):
        if not (path / MARKER).exists():
            raise UsageError(
                f"{path} is not empty and was not created by the demo.", next_step="Choose another folder with --home."
            )
        _stop_earlier(path)
        shutil.rmtree(path)
    make_private(path)
    (path / MARKER).touch()
    return path


def _stop_earlier(path: Path) -> None:
    """Stop an earlier demo that was started with --keep-up, before its home is deleted."""
    from pmmds_cli.commands.service import stop
    from pmmds_core.config.settings import Settings

    stop(Settings(home=str(path)))


def _demo_settings(settings: Settings, home: Path) -> Settings:
    """Return settings with the user's contract and data, and with embedded databases in `home`."""
    import msgspec

    data_path = str(Path(settings.data_path).expanduser().absolute()) if settings.data_path else ""
    return msgspec.structs.replace(
        settings,
        home=str(home),
        # The alert is the only trigger, because an hourly performance report must not start another retraining.
        retrain_on_alert="on",
        retrain_on_performance_drop="off",
        # The demo runs unattended, so promotions need no approval.
        promotion_approval="automatic",
        data_path=data_path,
        **dict.fromkeys(_PLACES, ""),
    )
