"""The BentoML service: carries the mounted application. Keep out: behaviour (application.py and what it uses).

BentoML's defaults would label metrics by raw path, keep every request's objects for its timeout and put its own
routes before ours, so the service class keeps the mounted routes only and leaves out three of its middlewares.
`_bentoml_sdk` is private: the version is pinned to 1.4 and a test holds the arrangement.
"""

from __future__ import annotations

from typing import Any

from _bentoml_sdk import Service
from starlette.routing import Mount

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_serving.application import build_app
from pmmds_serving.http import predict_protocol
from pmmds_serving.http.predict_endpoint import PredictFastPath
from pmmds_serving.process.descriptors import share_descriptors

_LEFT_OUT = {"TimeoutMiddleware", "OpenTelemetryMiddleware", "RunnerTrafficMetricsMiddleware", "AccessLogMiddleware"}


class MountedService(Service):  # type: ignore[misc]
    """A service whose mounted application answers first."""

    def inject_config(self) -> None:
        """Called when the service is started, not at import: the settings are read here."""
        workers = load_settings().serving_workers
        self.config = {"workers": workers, "logging": {"access": {"enabled": False}}, "metrics": {"enabled": False}}
        super().inject_config()

    def to_asgi(self, is_main: bool = True) -> Any:
        app = super().to_asgi(is_main)
        settings = load_settings()
        app.user_middleware = [m for m in app.user_middleware if m.cls.__name__ not in _LEFT_OUT]
        # The application has all the endpoints; BentoML's own would only shadow or leak. Its kind of mount would answer
        # unknown paths itself, in another shape.
        app.router.routes[:] = [Mount(path, mounted) for mounted, path, _ in self.mount_apps]
        (mounted, _, _), *_rest = self.mount_apps
        most = share_descriptors(settings.http_max_connections).http_connections
        predict_protocol.install(most, settings.http_request_seconds, mounted.state.predict)
        return PredictFastPath(app, mounted.state.predict)


class TabularClassifier:
    """BentoML wants a class to serve; the mounted application does the work."""


def _mounted_service() -> MountedService:
    made = MountedService(name="pmmds", inner=TabularClassifier)
    made.mount_asgi_app(build_app(Deployment.from_environment), path="/")
    return made


service = _mounted_service()
