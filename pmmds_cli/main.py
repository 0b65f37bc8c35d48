"""The `pmmds` command. Each command is a thin function in a module of its own; errors become one sentence here."""

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
    loop,
    promotion,
    reproduce,
    retention,
    run,
    service,
    shadow,
    traffic,
    worker,
)
from pmmds_core.errors import PmmdsError

# A command imports many objects that all stay. Collecting them costs a quarter of the import, and again at the exit.
_GC_THRESHOLD = 100_000

app = typer.Typer(
    name="pmmds",
    help="Serve a tabular classifier, keep every prediction, notice drift, retrain, decide, swap.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from pmmds_core.training.code_version import code_version

        print(f"pmmds {code_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when something fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Serve a tabular classifier, keep every prediction, notice drift, retrain, decide, swap."""


for module in (
    demo,
    service,
    worker,
    run,
    data,
    loop,
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
    """Run the command line; exit codes: 0 fine, 1 failed, 2 bad usage, 3 the answer is no."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        app()
    except PmmdsError as error:
        _tell(str(error), details=getattr(error, "details", ""))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _tell(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        sys.exit(1)


def _tell(sentence: str, *, details: str = "") -> None:
    print(f"Error: {sentence}", file=sys.stderr)
    if "--debug" in sys.argv:
        print(details or traceback.format_exc(), file=sys.stderr)


if __name__ == "__main__":
    main()
