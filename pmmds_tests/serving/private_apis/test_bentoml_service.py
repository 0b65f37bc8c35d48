"""BentoML has the private members that the service uses.

The test runs in a separate process, because importing BentoML configures logging.
"""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import inspect
import _bentoml_impl.server.app, bentoml._internal.server.http_app
from starlette.applications import Starlette
from starlette.routing import Mount
from pmmds_serving.private_apis.bentoml_files import static_file
from pmmds_serving.private_apis.bentoml_service import _REMOVED_MIDDLEWARES, Service, keep_mounted_routes

print("only the mounted application remains")
mounted = Starlette()
service = Service(name="mounted", inner=type("Nothing", (), {}))
service.mount_asgi_app(mounted, path="/")
service.inject_config()
app = service.to_asgi(is_main=False)
assert keep_mounted_routes(service, app) is mounted
(route,) = app.router.routes
assert isinstance(route, Mount) and route.app is mounted
assert not _REMOVED_MIDDLEWARES & {m.cls.__name__ for m in app.user_middleware}

print("the overridden methods have these parameters")
assert list(inspect.signature(Service.to_asgi).parameters)[:2] == ["self", "is_main"]
assert list(inspect.signature(Service.inject_config).parameters) == ["self"]

print("the removed middlewares exist")
source = inspect.getsource(_bentoml_impl.server.app) + inspect.getsource(bentoml._internal.server.http_app)
assert all(name in source for name in _REMOVED_MIDDLEWARES), _REMOVED_MIDDLEWARES

print("Swagger UI is shipped")
assert b".swagger-ui" in static_file("swagger-ui.css")
assert static_file("swagger-ui-bundle.js") and static_file("swagger-ui-standalone-preset.js")
"""


def test_bentoml_has_the_private_members_that_the_service_uses() -> None:
    run = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
