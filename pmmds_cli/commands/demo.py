"""demo: the closed loop on real processes with a separate home. Not here: the steps (demo_steps.py)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from pmmds_cli.output.console import JsonOption, print_json
from pmmds_core.errors import UsageError
from pmmds_core.runtime.private_folders import make_private

if TYPE_CHECKING:
    from pmmds_core.config.settings import Settings

# Settings that point to a real deployment, which the demo must not touch.
_PLACES = (
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
    home: Annotated[str, typer.Option("--home", help="Home of the demo; recreated on each run.")] = ".pmmds-demo",
    keep_up: Annotated[bool, typer.Option("--keep-up", help="Leave the processes running.")] = False,
    json: JsonOption = False,
) -> None:
    """Run the whole loop on real processes: train, serve, drift, alert, retrain, promote, swap.

    With your own contract and data (PMMDS_CONTRACT, PMMDS_DATA_PATH), a stable verdict and a held challenger are
    results, not failures: the demo prints the reason and exits with 0.
    """
    from pmmds_cli.commands.demo_steps import Demo
    from pmmds_cli.output.demo_result import summary_lines
    from pmmds_core.config.settings import load_settings

    settings = _demo_settings(load_settings(), _fresh_home(Path(home)))
    demo_run = Demo(settings)
    with demo_run.processes(keep_up=keep_up):
        result = demo_run.run()
    if json:
        print_json(result.to_document())
        return
    print("\n" + "\n".join(summary_lines(result, demo_run.settings, keep_up=keep_up)))


def _fresh_home(path: Path) -> Path:
    """Return an empty folder. Deletes the content only if an earlier demo created the folder."""
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
    """The user's contract and data with embedded databases in `home`."""
    data_path = str(Path(settings.data_path).expanduser().absolute()) if settings.data_path else ""
    return msgspec.structs.replace(
        settings,
        home=str(home),
        # The alert is the only trigger: an hourly performance report must not start another retraining.
        retrain_on_alert="on",
        retrain_on_performance_drop="off",
        # Nobody is there to approve.
        promotion_approval="automatic",
        data_path=data_path,
        **dict.fromkeys(_PLACES, ""),
    )
