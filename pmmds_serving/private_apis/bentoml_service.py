"""BentoML's service class (`_bentoml_sdk`) and its ASGI application.

Not here: the service itself (service.py), BentoML's static files (bentoml_files.py).
"""

from __future__ import annotations

from typing import Any

from _bentoml_sdk import Service
from starlette.routing import Mount

__all__ = ["Service", "keep_mounted_routes"]

# These middlewares label metrics by the raw path, keep a request's objects until the timeout, or log every request.
_REMOVED_MIDDLEWARES = frozenset(
    {"TimeoutMiddleware", "OpenTelemetryMiddleware", "RunnerTrafficMetricsMiddleware", "AccessLogMiddleware"}
)


def keep_mounted_routes(service: Any, app: Any) -> Any:
    """Reduce BentoML's application to the service's mounted application and return the latter.

    BentoML's own routes would take precedence, and its mount would return errors for unknown paths in another format.
    """
    app.user_middleware = [m for m in app.user_middleware if m.cls.__name__ not in _REMOVED_MIDDLEWARES]
    app.router.routes[:] = [Mount(path, mounted) for mounted, path, _ in service.mount_apps]
    (mounted, _, _), *_rest = service.mount_apps
    return mounted
