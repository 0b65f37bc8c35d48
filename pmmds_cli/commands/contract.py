"""The `pmmds contract` commands, which validate a contract or compare two contracts.

Not here: inferring a contract (init.py), migrating (database.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table
from pmmds_cli.output.drift_table import print_wrapped
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.runtime.plurals import counted

contract_app = typer.Typer(help="Validate a contract, or show the effects of changing it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(contract_app, name="contract")
    contract_app.command("check", epilog="Example: pmmds contract check contract.yaml --data customers.csv")(check)
    contract_app.command("diff", epilog="Example: pmmds contract diff contract.yaml new.yaml")(diff)


def check(
    file: Annotated[str, typer.Argument(help="Contract file. Default: the configured contract.")] = "",
    data: Annotated[Path | None, typer.Option("--data", help="CSV or Parquet file with rows to check.")] = None,
    json: JsonOption = False,
) -> None:
    """Validate a contract.

    With --data, list the values that the contract rejects, with their counts and line numbers.
    """
    from pmmds_core.config.settings import load_settings
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.data.reader import read_source

    contract = load_contract(file or load_settings().contract)
    source = None if data is None else read_source(data, contract)
    if json:
        document = {"contract": contract.name, "n_features": len(contract.features), "digest": contract.digest}
        rows = {} if source is None else {"n_rows": source.n_rows, "ignored_columns": source.ignored_columns}
        print_json(document | rows)
        return
    print(
        f"Contract {contract.name} is valid: {counted(len(contract.features), 'feature')}, label {contract.label.name}."
    )
    if source is not None:
        print(f"{data}: {counted(source.n_rows, 'row')}, all valid.")
        for note in source.notes:
            print(f"Note: {note}.")
        if source.ignored_columns:
            print(f"Not in the contract: {', '.join(source.ignored_columns)}.")


def diff(
    old: Annotated[str, typer.Argument(help="The contract in use.")],
    new: Annotated[str, typer.Argument(help="The changed contract.")],
    fail_on_refused: Annotated[
        bool, typer.Option("--fail-on-refused", help="Exit with code 3 if `pmmds db migrate` would refuse a change.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show which changes `pmmds db migrate` makes, which changes it refuses, and which changes need a new model."""
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.contracts.contract_changes import Effect, contract_changes

    changes = contract_changes(load_contract(old), load_contract(new))
    if json:
        print_json([asdict(change) for change in changes])
    else:
        rows = [{"what": c.subject, "change": c.change, "effect": str(c.effect)} for c in changes]
        print_table(rows, empty="The contracts have the same content.")
        _print_effects(Counter(str(c.effect) for c in changes))
    if fail_on_refused and any(c.effect is Effect.REFUSED for c in changes):
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)


def _print_effects(n: Counter[str]) -> None:
    if n["migrated"]:
        print_wrapped(f"pmmds db migrate adds {counted(n['migrated'], 'column')} to prediction_logs.", "")
    if n["refused"]:
        print_wrapped(
            f"pmmds db migrate refuses {counted(n['refused'], 'change')} if prediction_logs has rows. Use a separate "
            "database for this contract: another PMMDS_HOME or PMMDS_DATABASE_URL.",
            "",
        )
    if n["retrain"]:
        retrained = counted(n["retrain"], "change")
        print_wrapped(f"{retrained} without a migration; train a new model with pmmds retrain --force.", "")
