"""By default, no process of `pmmds up` accepts connections from other machines."""

from __future__ import annotations

import ipaddress

from pmmds_cli.processes.definitions import local_processes
from pmmds_core.config.settings import load_settings
from pmmds_serving.launch import serve_command


def test_every_server_listens_on_loopback_by_default() -> None:
    settings = load_settings({})
    listening = [process for process in local_processes(settings) if process.port]
    assert {process.name for process in listening} == {"console", "serving", "mlflow", "dagster-webserver"}
    for process in listening:
        assert ipaddress.ip_address(process.host).is_loopback
        if process.name == "console":
            continue  # it reads its address from the settings
        argv = serve_command(settings)[0] if process.name == "serving" else list(process.argv)
        assert argv[argv.index("-h" if process.name == "dagster-webserver" else "--host") + 1] == process.host
