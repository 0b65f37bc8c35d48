"""The `pmmds` application: registers the commands, and prints an error as one sentence with its exit code.

Not here: the commands (commands/).
"""

from __future__ import annotations

import atexit
import gc
import sys
import traceback
from typing import Annotated

import typer

from pmmds_cli.commands import (
    data,
    database,
    demo,
    drift,
    explain,
    inspect,
    labels,
    monitor,
    promotion,
    reproduce,
    retention,
    retrain,
    run,
    service,
    shadow,
    traffic,
    train,
    worker,
)
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.errors import PmmdsError

SUMMARY = "Serve a tabular classifier, log predictions, detect drift, retrain, promote and hot-swap models."

# Imported objects stay alive, and collecting them would add a quarter to the import time, and again at exit.
_GC_THRESHOLD = 100_000

app = typer.Typer(
    name="pmmds",
    help=SUMMARY,
    no_args_is_help=True,
    add_completion=False,
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
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of every command."""


for module in (
    demo,
    service,
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
    explain,
    shadow,
    reproduce,
    retention,
    drift,
    database,
):
    module.register(app)


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 failure, 2 wrong usage, 3 condition not met, 4 too few rows."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        app()
    except PmmdsError as error:
        _print_error(str(error), details=getattr(error, "details", ""))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _print_error(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        sys.exit(ExitCode.FAILURE)


def _print_error(message: str, *, details: str = "") -> None:
    print(f"Error: {message}", file=sys.stderr)
    if "--debug" in sys.argv:
        print(details or traceback.format_exc(), file=sys.stderr)


if __name__ == "__main__":
    main()
