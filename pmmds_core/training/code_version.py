"""The versions of code and libraries recorded with a model version, to detect later changes.

Add here anything that affects a trained model. Not here: the run's data and settings (model_card.Provenance).
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

# Libraries that affect the exact bits of a fitted model.
LIBRARIES = ("scikit-learn", "numpy", "pandas", "scipy")


def recorded(candidate: str, seed: int) -> dict[str, Any]:
    """Return the training record of a version, which has the candidate, the seed, the code and the libraries."""
    return {"candidate": candidate, "seed": seed, "code_version": code_version(), "libraries": libraries()}


@cache
def code_version() -> str:
    """Return the package version and a digest of the sources of pmmds_core.

    The digest also identifies an editable installation.
    """
    root = Path(str(files("pmmds_core")))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return f"{_version_of('pmmds')}+{digest.hexdigest()[:12]}"


@cache
def libraries() -> str:
    """Return the versions of Python and the numeric libraries, and the machine type, in one line."""
    system = [f"python {platform.python_version()}", platform.machine()]
    return ", ".join([*system, *(f"{name} {_version_of(name)}" for name in LIBRARIES)])


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
