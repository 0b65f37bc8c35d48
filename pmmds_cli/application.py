"""The `pmmds` application with its options and commands.

Not here: the commands (commands/), the entry point and errors (main.py).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from pmmds_cli.commands import (
    alerts,
    audit,
    config,
    console,
    contract,
    data,
    database,
    demo,
    drift,
    explain,
    init,
    inspect,
    labels,
    monitor,
    open_page,
    promotion,
    reproduce,
    retention,
    retrain,
    run,
    service,
    shadow,
    tokens,
    traffic,
    train,
    users,
    webhooks,
    worker,
)
from pmmds_cli.output.failures import DEBUG

SUMMARY = "Serve a tabular classifier, log predictions, detect drift, retrain, promote and hot-swap models."

app = typer.Typer(
    name="pmmds",
    help=SUMMARY,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        from pmmds_core.training.code_version import code_version

        print(f"pmmds {code_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(DEBUG, help="Print the traceback if the command fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Define the options that every command accepts."""
    from pmmds_core.config.find_config import export_config
    from pmmds_core.errors import SettingError

    with suppress(SettingError):  # Commands that read the settings report the error, and --help still works.
        export_config()


for module in (
    demo,
    init,
    contract,
    service,
    console,
    worker,
    run,
    data,
    train,
    monitor,
    retrain,
    promotion,
    traffic,
    labels,
    inspect,
    alerts,
    open_page,
    webhooks,
    config,
    explain,
    shadow,
    reproduce,
    retention,
    drift,
    database,
    users,
    tokens,
    audit,
):
    module.register(app)
