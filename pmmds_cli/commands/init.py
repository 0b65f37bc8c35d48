"""The `pmmds init` command, which creates a project folder from a data file.

Not here: the inference (pmmds_core/contract_inference/), asking for corrections (init_corrections.py).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.drift import NAMES, names_of
from pmmds_cli.output.console import JsonOption, print_json, print_table
from pmmds_cli.output.drift_table import print_wrapped

if TYPE_CHECKING:
    from pmmds_core.contract_inference.draft import ContractDraft
    from pmmds_core.contract_inference.project import Project

_MAX_SHOWN = 60


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds init --from customers.csv --label churned")(init)


def init(
    source: Annotated[Path, typer.Option("--from", help="Data: one CSV or Parquet file with a header.")],
    label: Annotated[str, typer.Option("--label", help="Label column, with two distinct values.")],
    into: Annotated[Path | None, typer.Option("--into", help="Project folder. Default: the name of the file.")] = None,
    positive: Annotated[
        str, typer.Option(help="Label value of the positive class. Default: a word such as yes, else the rarer value.")
    ] = "",
    columns: Annotated[list[str] | None, typer.Option(help=f"Use only these columns as features. {NAMES}")] = None,
    categorical: Annotated[list[str] | None, typer.Option(help=f"Columns to treat as categories. {NAMES}")] = None,
    numeric: Annotated[list[str] | None, typer.Option(help=f"Columns to treat as numbers. {NAMES}")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help=f"Columns to exclude. {NAMES}")] = None,
    na: Annotated[list[str] | None, typer.Option(help=f"Additional words that mean a missing value. {NAMES}")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files that an earlier init wrote.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the prompt for corrections.")] = False,
    json: JsonOption = False,
) -> None:
    """Infer a contract from a data file and write a project folder with settings and an example request."""
    from pmmds_core.contract_inference.infer import InferenceOptions, infer_contract
    from pmmds_core.contract_inference.names import snake_name
    from pmmds_core.contract_inference.project import check_free, write_project
    from pmmds_core.stores.files.file_options import FileOptions

    folder = into or Path(snake_name(source.name.partition(".")[0], "project"))
    check_free(folder, force=force)
    file_options = FileOptions(
        categorical=frozenset(names_of(categorical)),
        numeric=frozenset(names_of(numeric)),
        ignore=frozenset(names_of(ignore)),
        na=tuple(names_of(na)),
    )
    options = InferenceOptions(tuple(names_of(columns)), positive, file_options)
    draft = infer_contract(source, label, options)
    if not (yes or json) and sys.stdin.isatty() and sys.stdout.isatty():
        from pmmds_cli.commands.init_corrections import corrected

        draft = corrected(draft, options, lambda changed: infer_contract(source, label, changed), print_draft)
    elif not json:
        print_draft(draft)
    project = write_project(draft, source, folder)
    if json:
        print_json(_document(draft, project))
    else:
        _print_next(folder)


def print_draft(draft: ContractDraft) -> None:
    """Print the inferred columns as a table."""
    rows = [
        {"column": c.source, "kind": _kind(draft, c.source), "evidence": _cut(c.evidence)}
        for c in draft.columns[:_MAX_SHOWN]
    ]
    print_table(rows, empty="No columns.")
    if len(draft.columns) > _MAX_SHOWN:
        print(f"… and {len(draft.columns) - _MAX_SHOWN} more columns; contract.yaml lists all of them.")
    print_wrapped(f"Label {draft.label.label.source}: {draft.label.evidence}.", "")
    for warning in draft.warnings:
        print_wrapped(f"Warning: {warning}", "")


def _kind(draft: ContractDraft, source: str) -> str:
    if source == draft.contract.row_id:
        return "row id"
    feature = next((f for f in draft.contract.features if f.source == source), None)
    return "left out" if feature is None else feature.kind


def _cut(text: str, width: int = 74) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _document(draft: ContractDraft, project: Project) -> dict[str, object]:
    columns = [{"column": c.source, "kind": _kind(draft, c.source), "evidence": c.evidence} for c in draft.columns]
    return {
        "folder": str(project.folder),
        "contract": str(project.contract),
        "n_rows": draft.n_rows,
        "label": draft.label.evidence,
        "columns": columns,
        "warnings": list(draft.warnings),
    }


def _print_next(folder: Path) -> None:
    is_here = folder.resolve() == Path.cwd()
    place = "the working directory" if is_here else folder
    print(f"\nWrote contract.yaml, pmmds.toml, example-request.json and README.md to {place}.")
    go = "" if is_here else f"cd {shlex.quote(str(folder))} && "
    print("Next, start the processes, train a model and get a first request:")
    print(f"  {go}pmmds up --train")
