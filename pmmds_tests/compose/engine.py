"""Builds, starts, inspects and removes a separate Compose project.

Works with Compose v2 and docker-compose 1.29. Not here: assertions (test_compose.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pmmds_tests.harness.command_line import Said
from pmmds_tests.harness.ports import free_ports

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
BASE, PRODUCTION = FOLDER / "compose.yaml", FOLDER / "compose.production.yaml"
PORTS = ("HTTP", "GRPC", "CONSOLE", "DAGSTER", "MLFLOW", "PROMETHEUS", "GRAFANA")
IMAGES = ("serving", "assets", "proxy")
PYTHON_IMAGE = "python:3.11-slim-bookworm"
HOW_TO_GET = "No Docker engine responds, which the Compose tests need: install Docker and start it."


class EngineMissingError(Exception):
    """The Docker engine or Compose is missing."""


@dataclass(frozen=True)
class Container:
    """State of one of the project's containers."""

    id: str
    service: str
    status: str
    health: str
    exit_code: int
    n_restarts: int
    details: dict[str, Any]

    @property
    def is_healthy(self) -> bool:
        """Return True if the container is healthy, or if it is `migrate` and exited with 0."""
        if self.service == "migrate":
            return self.status == "exited" and self.exit_code == 0
        return self.status == "running" and self.health in ("", "healthy")


@dataclass(frozen=True)
class Project:
    """A Compose project with its name, files and variables."""

    compose: tuple[str, ...]
    name: str
    files: tuple[Path, ...]
    variables: dict[str, str]

    def run(self, *arguments: str, timeout: float = 600, typed: str = "") -> Said:
        """Run a Compose command until it exits. `typed` is its standard input."""
        files = [part for file in self.files for part in ("-f", str(file))]
        return _said([*self.compose, "-p", self.name, *files, *arguments], self.variables, timeout, typed)

    def must(self, *arguments: str, timeout: float = 600) -> str:
        said = self.run(*arguments, timeout=timeout)
        assert said.code == 0, f"compose {' '.join(arguments)}: {said.err[-3000:]}{said.out[-1000:]}"
        return said.out

    def inside(self, service: str, *command: str, user: str = "") -> Said:
        """Run a command in the running container of a service."""
        return self.run("exec", "-T", *(("-u", user) if user else ()), service, *command)

    def accounts(self, *arguments: str, typed: str = "") -> Said:
        """Run a `pmmds` command in a container with the login of the tables' owner."""
        return self.run("run", "--rm", "-T", "accounts", *arguments, typed=typed)

    def pmmds(self, *arguments: str) -> Said:
        """Run a `pmmds` command in the container dagster-code."""
        return self.inside("dagster-code", "pmmds", *arguments)

    def with_files(self, *more: Path) -> Project:
        return Project(self.compose, self.name, (*self.files, *more), self.variables)

    def containers(self) -> list[Container]:
        label = f"label=com.docker.compose.project={self.name}"
        ids = docker("ps", "-aq", "--filter", label).split()
        return [_container(found) for found in msgspec.json.decode(docker("inspect", *ids))] if ids else []

    def container(self, service: str) -> Container:
        (found,) = [c for c in self.containers() if c.service == service]
        return found

    def wait_until_healthy(self, services: Sequence[str] = (), seconds: float = 300) -> None:
        """Wait until all containers (or those of `services`) are healthy; fail on timeout with the others' state."""
        deadline = time.monotonic() + seconds
        while unhealthy := [
            c for c in self.containers() if not c.is_healthy and (not services or c.service in services)
        ]:
            if time.monotonic() > deadline:
                states = [f"{c.service}: {c.status} {c.health} {self.logs(c.service)[-1500:]}" for c in unhealthy]
                raise AssertionError(f"not healthy after {seconds:g} seconds:\n" + "\n".join(states))
            time.sleep(0.5)

    def logs(self, service: str) -> str:
        return self.run("logs", "--no-color", "--tail=40", service).out

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.variables[f'PMMDS_{port}_PORT']}"


@contextmanager
def project(*files: Path) -> Iterator[Project]:
    """Yield a project with its own ports; remove it with its volumes afterwards.

    Raises:
        EngineMissingError: Docker or Compose is missing.
    """
    compose = find_compose()
    done = subprocess.run(
        [sys.executable, str(FOLDER / "make_secrets.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    variables = {f"PMMDS_{name}_PORT": str(port) for name, port in ports.items()}
    # Grafana is left out, because it is not part of the loop.
    variables |= {"COMPOSE_PROFILES": "", "PMMDS_BIND": "127.0.0.1"}
    own = Project(compose, f"pmmds-test-{uuid.uuid4().hex[:8]}", files, variables)
    try:
        yield own
    finally:
        # Include the overlay, which has one more volume.
        own.with_files(PRODUCTION).must("down", "--volumes", "--remove-orphans", "--timeout", "20")


def find_compose() -> tuple[str, ...]:
    """Return the command `docker compose`, or docker-compose. Raises EngineMissingError without one."""
    if shutil.which("docker") is None or _said(["docker", "info"], {}, 30).code != 0:
        raise EngineMissingError(HOW_TO_GET)
    if _said(["docker", "compose", "version"], {}, 30).code == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise EngineMissingError("Docker responds, but Compose is missing: install its plugin, or docker-compose 1.29.")


def password(name: str) -> str:
    """Return the content of a file that `make secrets` wrote."""
    return (FOLDER / "secrets" / name).read_text(encoding="utf-8").strip()


def report(text: str) -> None:
    """Print a measurement. `make test-compose` does not capture output."""
    sys.stdout.write(f"\n    {text}\n")
    sys.stdout.flush()


def docker(*arguments: str) -> str:
    said = _said(["docker", *arguments], {}, 120)
    assert said.code == 0, said.err
    return said.out


def image_bytes(name: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", name))


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        found["Id"],
        found["Config"]["Labels"]["com.docker.compose.service"],
        state["Status"],
        state.get("Health", {}).get("Status", ""),
        state["ExitCode"],
        found["RestartCount"],
        found,
    )


def _said(argv: Sequence[str], variables: dict[str, str], timeout: float, typed: str = "") -> Said:
    done = subprocess.run(
        list(argv),
        env={**os.environ, **variables},
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    return Said(done.returncode, done.stdout, done.stderr)
