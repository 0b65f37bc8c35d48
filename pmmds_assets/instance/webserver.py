"""Dagster's web server behind the web guard: `python -m pmmds_assets.instance.webserver` takes the options of
`dagster-webserver`.

Dagster's server has no protection against cross-site requests. Not here: the guard's rules
(pmmds_core/runtime/web_guard.py).
"""

from __future__ import annotations

import importlib
import runpy
import sys
from typing import Any

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.web_guard import WebGuard

READ_ONLY = "--read-only"


def main() -> None:
    """Run Dagster's web server until it exits."""
    try:
        settings = load_settings()
    except PmmdsError as error:
        raise SystemExit(f"Error: {error}") from None
    if settings.dagster_read_only == "on" and READ_ONLY not in sys.argv:
        sys.argv.append(READ_ONLY)
    guard_the_application(settings)
    _create_storage(settings)
    runpy.run_module("dagster_webserver", run_name="__main__", alter_sys=True)


def _create_storage(settings: Settings) -> None:
    """Create Dagster's storage under a lock, because the daemon starts at the same time."""
    from pmmds_assets.instance.storage import open_instance

    with open_instance(settings):
        pass


def guard_the_application(settings: Settings) -> None:
    """Wrap the application that `dagster_webserver.cli` creates for uvicorn in the guard.

    Dagster has no setting for middleware. A test checks that the command still calls this function.
    """
    cli: Any = importlib.import_module("dagster_webserver.cli")
    make_app = cli.create_app_from_workspace_process_context

    def make_guarded(*args: Any, **kwargs: Any) -> WebGuard:
        return WebGuard(make_app(*args, **kwargs), settings.web_hosts(settings.dagster_host), json_only=True)

    cli.create_app_from_workspace_process_context = make_guarded


if __name__ == "__main__":
    sys.argv[0] = "dagster-webserver"
    main()
