"""The `pmmds labels import` command, which imports labels from a file.

Not here: the file format, and which observation of a request counts (pmmds_core/stores/predictions/).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json
from pmmds_cli.output.progress import progress
from pmmds_core.runtime.plurals import counted

labels_app = typer.Typer(help="Import ground truth labels.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(labels_app, name="labels")
    labels_app.command("import", epilog="Example: pmmds labels import churned-in-march.csv")(import_labels)


def import_labels(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet: request_id, label, observed_at.")],
    json: JsonOption = False,
) -> None:
    """Import labels from a file.

    The latest observation of a request counts, but all observations are stored. Importing a file twice is safe. An
    invalid row rejects the whole file.
    """
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.predictions.label_file import read_labels

    deployment = Deployment.from_environment().prepare()
    with progress("reading labels", json=json) as bar:
        items = read_labels(file, deployment.contract, deployment.settings.timestamps, bar)
    with progress("storing labels", json=json):
        counts = deployment.ground_truth.add(items, source="import")
    n_waiting = deployment.ground_truth.n_waiting()
    if json:
        print_json({"n_rows": len(items), **asdict(counts), "n_waiting": n_waiting})
        return
    print(
        f"{_labels(len(items))}: {counts.accepted:,} accepted, {counts.updated:,} updated, "
        f"{counts.outdated:,} outdated (a later observation exists), "
        f"{counts.ambiguous:,} ambiguous (several rows have this request id), "
        f"{counts.unknown:,} unknown (no logged prediction)."
    )
    if n_waiting:
        requests = counted(n_waiting, "request")
        print(f"Labels of {requests} are stored until they match a logged prediction.")


def _labels(n: int) -> str:
    return counted(n, "label")
