"""Each image has the right requirements, and the service's Bento can be built and served."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pmmds_tests.harness.service_process import STOP_SECONDS, service_environment, wait_until

ROOT = Path(__file__).parents[2]


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def installed_by(*extras: str) -> set[str]:
    """Return all distributions that the core and these extras require in this environment."""
    declared = project()
    waiting = [Requirement(r) for r in declared["dependencies"]]
    waiting += [Requirement(r) for extra in extras for r in declared["optional-dependencies"][extra]]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in importlib.metadata.requires(requirement.name) or []:
            child = Requirement(text)
            if child.marker is None or any(child.marker.evaluate({"extra": e}) for e in (*requirement.extras, "")):
                waiting.append(child)
    return {name for name, _ in seen}


def test_serving_image_contains_neither_dagster_nor_training_libraries() -> None:
    brought = installed_by("serving", "postgres")
    assert "bentoml" in brought
    assert brought.isdisjoint({"dagster", "dagster-mlflow", "mlflow", "pandas", "scikit-learn", "great-expectations"})


def test_asset_image_does_not_contain_bentoml() -> None:
    brought = installed_by("assets", "postgres")
    assert "dagster" in brought
    assert "bentoml" not in brought


def test_bento_installs_the_serving_extra() -> None:
    declared = project()
    extras = declared["optional-dependencies"]
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    assert bento["python"]["packages"] == sorted(declared["dependencies"] + extras["serving"] + extras["postgres"])
    assert bento["python"]["lock_packages"] is False


def test_requirements_contain_no_registry_url() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--hash=sha256:" in text


def bentoml_environment(folder: Path) -> dict[str, str]:
    own = {"BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "true"}
    return {**service_environment(folder / "home", ""), **own}


@pytest.fixture(scope="module")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with the built bento."""
    folder = tmp_path_factory.mktemp("bentoml")
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=ROOT,
        env=bentoml_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.process
@pytest.mark.xdist_group("bento")
def test_bento_contains_the_service(bento_home: Path) -> None:
    tmp_path = bento_home
    (built,) = (tmp_path / "bentos" / "pmmds").glob("*/src")
    packed = {str(p.relative_to(built)) for p in built.rglob("*") if p.is_file()}
    assert {"pmmds_serving/service.py", "pmmds_core/contracts/telco_churn.yaml"} <= packed
    assert {name.split("/")[0] for name in packed} == {"bentofile.yaml", "pmmds_core", "pmmds_serving"}


@pytest.mark.process
@pytest.mark.xdist_group("bento")
@pytest.mark.parametrize("target", ["pmmds:latest", "pmmds_serving.service:service"])
def test_bentoml_serves_the_bento_and_the_source_in_the_same_way(bento_home: Path, target: str) -> None:
    environment = bentoml_environment(bento_home)
    base = f"http://127.0.0.1:{environment['PMMDS_HTTP_PORT']}"
    argv = [sys.executable, "-m", "bentoml", "serve", target, "--port", environment["PMMDS_HTTP_PORT"]]
    process = subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answer_of(f"{base}/livez") == {"status": "alive"})
        assert answer_of(f"{base}/ready") == {"status": "not ready", "reasons": ["no model is loaded"]}
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def answer_of(url: str) -> Any:
    """Return the JSON of a GET, or None without a response."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).json()
    except httpx.TransportError:
        return None
