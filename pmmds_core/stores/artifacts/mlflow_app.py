"""Wraps the MLflow server's application in the web guard; `mlflow server --app-name pmmds` starts it.

MLflow's own middleware checks Host and Origin of its API; its default list of hosts has patterns such as `10.*`, which
public host names can match. Not here: the rules (runtime/web_guard.py).
"""

from __future__ import annotations

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.web_guard import Application, WebGuard

# The app's name in the entry point group `mlflow.app` of pyproject.toml.
APP_NAME = "pmmds"


def make_app() -> Application:
    """Create the application; uvicorn calls this in each worker. Raises SystemExit for an invalid setting."""
    from mlflow.server.fastapi_app import app

    try:
        settings = load_settings()
    except PmmdsError as error:
        raise SystemExit(f"Error: {error}") from None
    return WebGuard(app, settings.web_hosts(settings.mlflow_host), json_only=False)


def host_variables(settings: Settings) -> dict[str, str]:
    """Environment variables that make MLflow's own middleware accept the same host names."""
    names = sorted(settings.web_hosts(settings.mlflow_host))
    patterns = [f"[[]{name}]" if name.count(":") > 1 else name for name in names]  # glob patterns without a port
    hosts = ["localhost", "127.0.0.1", "[[]::1]", *patterns]
    origins = [f"{scheme}://{name}" for name in patterns for scheme in ("http", "https")]
    variables = {"MLFLOW_SERVER_ALLOWED_HOSTS": _with_ports(hosts)}
    return variables | ({"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": _with_ports(origins)} if origins else {})


def _with_ports(patterns: list[str]) -> str:
    return ",".join(p for pattern in patterns for p in (pattern, f"{pattern}:*"))
