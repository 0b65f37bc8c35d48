"""The BentoML service, which mounts the application.

Not here: behavior (application.py), BentoML's private parts (private_apis/bentoml_service.py).
"""

from __future__ import annotations

from typing import Any

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_serving.application import build_app
from pmmds_serving.http import predict_protocol
from pmmds_serving.http.cross_origin import CrossOrigin
from pmmds_serving.http.predict_endpoint import PredictFirst
from pmmds_serving.private_apis.bentoml_service import Service, keep_mounted_routes
from pmmds_serving.process.descriptors import share_descriptors


class MountedService(Service):  # type: ignore[misc]
    """A BentoML service that serves only the mounted application."""

    def inject_config(self) -> None:
        """Open the deployment. This is called at start-up, not at import, so the settings are read here."""
        workers = load_settings().serving_workers
        self.config = {"workers": workers, "logging": {"access": {"enabled": False}}, "metrics": {"enabled": False}}
        super().inject_config()

    def to_asgi(self, is_main: bool = True) -> Any:
        app = super().to_asgi(is_main)
        settings = load_settings()
        mounted = keep_mounted_routes(self, app)
        max_connections = share_descriptors(settings.http_max_connections).http_connections
        in_protocol = mounted.state.predict if settings.http_fast_path == "on" else None
        origins = settings.cors_origins
        seconds = settings.http_request_seconds
        predict_protocol.install(max_connections, seconds, in_protocol, has_cors=bool(origins))
        first = PredictFirst(app, mounted.state.predict)
        return CrossOrigin(first, origins) if origins else first


class TabularClassifier:
    """The class that BentoML serves; the mounted application handles all requests."""


def _mounted_service() -> MountedService:
    mounted_service = MountedService(name="pmmds", inner=TabularClassifier)
    mounted_service.mount_asgi_app(build_app(Deployment.from_environment), path="/")
    return mounted_service


service = _mounted_service()
