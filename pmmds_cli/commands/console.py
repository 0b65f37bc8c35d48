"""The `pmmds console` command, which runs the monitoring API's web server in the foreground.

Not here: the server (pmmds_console).
"""

from __future__ import annotations

import os
import sys

import typer

from pmmds_cli.output.console import say
from pmmds_core.errors import PortTakenError


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: PMMDS_CONSOLE_PORT=8020 pmmds console")(console)


def console() -> None:
    """Run the monitoring API in the foreground. See docs/monitoring-api.md."""
    from pmmds_cli.processes.ports import is_free
    from pmmds_console.access import access_text, check_access
    from pmmds_core.config.settings import load_settings
    from pmmds_core.config.urls import http_url
    from pmmds_core.contracts.contract import load_contract

    settings = load_settings()
    load_contract(settings.contract)
    check_access(settings)
    if not is_free(settings.console_host, settings.console_port):
        raise PortTakenError(
            f"Port {settings.console_port} on {settings.console_host} cannot be used.",
            next_step="Stop the program that listens there, or set PMMDS_CONSOLE_PORT to a free port.",
        )
    access = access_text(settings)
    say(f"Console on {http_url(settings.console_host, settings.console_port)}; {access}. Ctrl-C stops.")
    argv = [sys.executable, "-m", "pmmds_console"]
    os.execvpe(argv[0], argv, {**os.environ, **settings.to_environment()})
