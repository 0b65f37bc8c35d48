"""The `pmmds reproduce` command, which retrains a version from its record and compares the digests.

Not here: the training (pmmds_core/workflows/reproduction.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import versions
from pmmds_cli.output.console import JsonOption, print_json, print_text, say
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_cli.output.progress import progress
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.workflows.reproduction import Reproduction


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds reproduce 2 --json")(reproduce)


def reproduce(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Model version, such as 2 or v2.", autocompletion=versions)
    ],
    json: JsonOption = False,
) -> None:
    """Retrain a version from its recorded data, seed and candidate, then compare the model digests.

    This registers nothing. Exits with code 3 if the digests differ.
    """
    from pmmds_core.deployment import Deployment
    from pmmds_core.workflows.reproduction import reproduce as train_again
    from pmmds_core.workflows.version_lookup import find_version

    deployment = Deployment.from_environment().prepare()
    registered = find_version(deployment, version)
    say(f"Training {deployment.model_name} v{registered.version} again")
    with progress(f"training v{registered.version}", json=json):
        found = train_again(deployment, registered)
    if json:
        print_json(found.to_document())
    else:
        _print_result(found)
    if not found.is_equal:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)


def _print_result(found: Reproduction) -> None:
    how = (
        f"{found.candidate}, seed {found.seed}, {counted(found.n_training_rows, 'row')} of digest "
        f"{found.training_digest[:12]}"
    )
    if found.is_equal:
        print(f"Reproduced: v{found.version} has digest {found.digest} ({how}).")
    else:
        print(f"Not reproduced: v{found.version} has digest {found.recorded_digest},")
        print(f"the retrained model has {found.digest} ({how}).")
    for difference in found.differences:
        print_text(f"Not as recorded: {difference}")
