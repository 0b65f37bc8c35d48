"""The `pmmds data` commands, which download or describe the reference data set."""

from __future__ import annotations

import typer

from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.progress import progress
from pmmds_core.runtime.plurals import counted

data_app = typer.Typer(help="Download the reference data, or show which source is in use.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(data_app, name="data")
    data_app.command("download", epilog="Example: pmmds data download")(download_data)
    data_app.command("info", epilog="Example: PMMDS_DATA_PATH=customers.csv pmmds data info")(info)


def download_data(json: JsonOption = False) -> None:
    """Download the contract's public data set from OpenML and verify its checksum."""
    from pmmds_core.config.settings import load_settings
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.stores.files.openml_download import download

    settings = load_settings()
    say("Downloading from OpenML …")
    with progress("download", json=json):
        result = download(load_contract(settings.contract), settings.home_path)
    if json:
        print_json(
            {
                "path": str(result.path),
                "n_rows": result.n_rows,
                "digest": result.digest,
                "is_verified": result.is_verified,
            }
        )
        return
    verdict = "(verified)" if result.is_verified else "(not verified: the contract has no checksum)"
    print(f"{counted(result.n_rows, 'row')} in {result.path}, content sha256 {result.digest} {verdict}.")


def info(json: JsonOption = False) -> None:
    """Show where the reference data comes from, with its row count and checksum."""
    from pmmds_core.config.settings import load_settings
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.stores.files.reference_source import load_reference

    settings = load_settings()
    contract = load_contract(settings.contract)
    source = load_reference(settings, contract)
    share = float(source.data.frame[contract.label.name].mean())
    if json:
        print_json(
            {
                "contract": contract.name,
                "kind": source.kind,
                "description": source.description,
                "n_rows": source.data.n_rows,
                "digest": source.data.digest,
                "positive_share": share,
            }
        )
        return
    print(f"Contract {contract.name}: {counted(len(contract.features), 'feature')}, label {contract.label.name}.")
    print(f"Reference data ({source.kind}): {source.description}")
    print(f"{counted(source.data.n_rows, 'row')}, {share:.1%} {contract.label.name} = {contract.label.positive}.")
    print(f"Content sha256 {source.data.digest}")
