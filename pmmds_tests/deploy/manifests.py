"""Reads the manifests in deploy/kubernetes, and runs a Kubernetes API server that records requests.

Not here: assertions about the manifests (test_kubernetes.py).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
BASE = ROOT / "deploy" / "kubernetes" / "base"
OVERLAY = ROOT / "deploy" / "kubernetes" / "overlays" / "example"
EXAMPLE_SECRETS = ROOT / "deploy" / "kubernetes" / "secrets.example.yaml"
# The oldest version that supports `sleep` in preStop, and the newest version with an available schema.
VERSIONS = ("1.30", "1.37")

Resource = dict[str, Any]


def resources(path: Path) -> list[Resource]:
    """Return the documents in a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def base() -> list[Resource]:
    """Return all resources in the base kustomization."""
    listed = resources(BASE / "kustomization.yaml")[0]["resources"]
    return [resource for name in listed for resource in resources(BASE / name)]


def of_kind(kind: str) -> dict[str, Resource]:
    """Return the resources of one kind in the base, by name."""
    return {r["metadata"]["name"]: r for r in base() if r["kind"] == kind}


def pod_templates() -> dict[str, Resource]:
    """Return the pod templates of all workloads, by name."""
    return {r["metadata"]["name"]: r["spec"]["template"] for r in base() if "template" in r.get("spec", {})}


def containers() -> list[tuple[str, Resource]]:
    """Yield all containers, each with the name of its workload."""
    return [(name, c) for name, template in pod_templates().items() for c in template["spec"]["containers"]]


def variables_in(value: Any) -> Iterator[str]:
    """Yield all strings that could be names of variables: keys, and values of `name` and `env`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key in ("name", "env") and isinstance(inner, str):
                yield inner
            yield from variables_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from variables_in(inner)


@dataclass
class ApiServer:
    """A running API server, with its recorded requests as (method, path, body)."""

    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that points to this server."""
        path = folder / "kubeconfig"
        cluster = {"name": "here", "cluster": {"server": self.url}}
        context = {"name": "here", "context": {"cluster": "here", "user": "nobody"}}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [cluster],
            "contexts": [context],
            "users": [{"name": "nobody", "user": {}}],
        }
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """Run a server that records requests and echoes their bodies, as Kubernetes does when it creates a resource."""
    server = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append((self.command, self.path, json.loads(body)))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
