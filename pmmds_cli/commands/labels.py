"""labels import: truth from a file. What a label is: pmmds_core.stores.predictions.label_file; which one stands.

Stores/ground_truth.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json

labels_app = typer.Typer(help="Labels: the truth that arrives after the prediction.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(labels_app, name="labels")
    labels_app.command("import", epilog="Example: pmmds labels import churned-in-march.csv")(import_labels)


def import_labels(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet: request_id, label, observed_at.")],
    json: JsonOption = False,
) -> None:
    """Take the labels of a file; the last observation of a request stands, and every one is kept.

    The same file may be imported again. A wrong row refuses all of it.
    """
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.predictions.label_file import read_labels

    deployment = Deployment.from_environment().prepare()
    items = read_labels(file, deployment.contract)
    counts = deployment.ground_truth.add(items, source="import")
    n_waiting = deployment.ground_truth.n_waiting()
    if json:
        print_json({"n_rows": len(items), **asdict(counts), "n_waiting": n_waiting})
        return
    print(
        f"{_labels(len(items))}: {counts.accepted:,} accepted, {counts.updated:,} updated, "
        f"{counts.outdated:,} outdated (a later observation stands), "
        f"{counts.ambiguous:,} ambiguous (the client used the id for several rows), "
        f"{counts.unknown:,} of requests that are not logged."
    )
    if n_waiting:
        requests = "1 request" if n_waiting == 1 else f"{n_waiting:,} requests"
        print(f"Labels of {requests} are kept aside until they can be matched with one prediction.")


def _labels(n: int) -> str:
    return "1 label" if n == 1 else f"{n:,} labels"
