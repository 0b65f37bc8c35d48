"""Package rules: imports have no side effects, and only certain modules use I/O, settings and MLflow."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pmmds
import pmmds_assets
import pmmds_cli
import pmmds_console
import pmmds_core
import pmmds_serving

ROOT = Path(pmmds_core.__file__).parent.parent
PACKAGES = (pmmds, pmmds_core, pmmds_assets, pmmds_serving, pmmds_console, pmmds_cli)
MODULES = sorted(
    m.name
    for p in PACKAGES
    for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}.")
    if ".migrations." not in m.name and ".generated" not in m.name
)
FILES = sorted(f for p in PACKAGES for f in Path(str(p.__file__)).parent.rglob("*.py") if "generated" not in f.parts)
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "base"}


def run_python(code: str, *, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )


def test_modules_import_without_settings_and_write_nothing(tmp_path: Path) -> None:
    code = f"import importlib\nfor m in {MODULES!r}: importlib.import_module(m)"
    done = run_python(code, environment={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # BentoML creates a folder on import, but PMMDS must not create anything.
    assert [p.name for p in tmp_path.iterdir() if p.name not in {"bentoml", ".cache", ".config"}] == []


def test_core_imports_no_heavy_library(tmp_path: Path) -> None:
    light = [m for m in MODULES if m.startswith("pmmds_core") and m != "pmmds_core.data.pandera_schema"]
    heavy = (
        "dagster",
        "bentoml",
        "mlflow",
        "sklearn",
        "great_expectations",
        "matplotlib",
        "pandas",
        "altair",
        "apprise",
    )
    code = (
        f"import importlib, sys\nfor m in {light!r}: importlib.import_module(m)\n"
        f"print([h for h in {heavy!r} if h in sys.modules])"
    )
    done = run_python(code, environment={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_module_has_a_docstring_and_a_specific_name(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if file.name != "__init__.py":
        assert ast.get_docstring(tree), f"{file} has no docstring"
    assert file.stem not in FORBIDDEN_NAMES
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def environment_readers() -> set[str]:
    """Return files that read environment variables other than to pass all of them to a child process."""
    found = set()
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        if "os.getenv" in text or "os.environ[" in text or "os.environ.get" in text:
            found.add(str(file.relative_to(ROOT)))
    return found


def test_only_settings_modules_read_environment_variables() -> None:
    # find_config.py reads and sets PMMDS_CONFIG. There are two exceptions: job_runner.py sets DAGSTER_HOME for Dagster,
    # and BentoML passes a folder to shared_memory.py.
    others = {"pmmds_cli/client/job_runner.py", "pmmds_serving/metrics/shared_memory.py"}
    settings = {"pmmds_core/config/settings.py", "pmmds_core/config/find_config.py"}
    assert environment_readers() <= {*settings, *others}


NETWORK_LIBRARIES = re.compile(
    r"^\s*(?:import|from) (?:socket|subprocess|sqlite3|psycopg|http\.client|urllib\.request|mlflow|apprise)\b"
    r"|create_engine\(",
    re.MULTILINE,
)
FILE_CALLS = re.compile(r"\bopen\(|\.(?:read|write)_(?:text|bytes)\(|\.(?:mkdir|unlink|iterdir|glob)\(")
CORE = ROOT / "pmmds_core"
WITHOUT_IO = ("statistics", "profiling", "drift", "evaluation", "policies")


def test_only_stores_connect_to_databases_the_registry_and_the_network() -> None:
    users = [f for f in CORE.rglob("*.py") if NETWORK_LIBRARIES.search(f.read_text(encoding="utf-8"))]
    assert users
    assert {f.relative_to(CORE).parts[0] for f in users} == {"stores"}


@pytest.mark.parametrize("package", WITHOUT_IO)
def test_packages_for_calculations_open_no_files(package: str) -> None:
    files = sorted((CORE / package).rglob("*.py"))
    assert files
    assert [f.name for f in files if FILE_CALLS.search(f.read_text(encoding="utf-8"))] == []


def test_only_three_modules_import_mlflow() -> None:
    importers = {
        str(f.relative_to(ROOT))
        for f in FILES
        if any(line.strip().startswith(("import mlflow", "from mlflow")) for line in f.read_text().splitlines())
    }
    names = ("model_registry", "bounded_download", "mlflow_app")
    assert importers == {f"pmmds_core/stores/artifacts/{name}.py" for name in names}


def test_only_promotion_moves_the_production_alias() -> None:
    movers = {str(f.relative_to(ROOT)) for f in FILES if ".move_alias(" in f.read_text(encoding="utf-8")}
    assert movers == {"pmmds_core/workflows/promotion.py"}
