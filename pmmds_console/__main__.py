"""`python -m pmmds_console`: checks the settings, then serves the application with uvicorn.

`pmmds console` starts it. Not here: the application (application.py).
"""

from __future__ import annotations

import sys

import uvicorn

from pmmds_console.access import access_text, check_access, is_open
from pmmds_console.addresses import AddressLimit, trusted_networks
from pmmds_console.application import make_application
from pmmds_console.connection_limits import MAX_CONNECTIONS_PER_ADDRESS, LimitedProtocol
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.config.urls import http_url
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.json_logs import configure_logging, get_logger

KEEP_ALIVE_SECONDS = 5
STOP_SECONDS = 10
# Open connections; uvicorn answers more with 503.
MAX_CONNECTIONS = 256
log = get_logger("pmmds.console")


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    try:
        settings = load_settings()
        deployment = Deployment(settings)
        _ = deployment.contract
        check_access(settings)
    except PmmdsError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    configure_logging(settings.log_level)
    _log_start(settings)
    LimitedProtocol.request_seconds = settings.console_request_seconds
    trusted = trusted_networks(settings.console_trusted_proxies)
    LimitedProtocol.addresses = AddressLimit(MAX_CONNECTIONS_PER_ADDRESS, trusted, "connections")
    uvicorn.run(
        make_application(deployment),
        host=settings.console_host,
        port=settings.console_port,
        http=LimitedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _log_start(settings: Settings) -> None:
    address = http_url(settings.console_host, settings.console_port)
    write = log.warning if is_open(settings) else log.info
    write("console_started", address=address, access=access_text(settings))


if __name__ == "__main__":
    main()
