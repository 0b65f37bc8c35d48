"""The versions of code and libraries that a model version records, to detect later changes.

Add here what affects a trained model. Not here: data and settings of the run (model_card.Provenance).
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

# Libraries on which the exact bits of a fitted model depend.
LIBRARIES = ("scikit-learn", "numpy", "pandas", "scipy")


def recorded(candidate: str, seed: int) -> dict[str, Any]:
    """The training record of a version: candidate, seed, code and libraries."""
    return {"candidate": candidate, "seed": seed, "code_version": code_version(), "libraries": libraries()}


@cache
def code_version() -> str:
    """The package version and a digest of the core's sources, which also covers an editable installation."""
    root = Path(str(files("pmmds_core")))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return f"{_version_of('pmmds')}+{digest.hexdigest()[:12]}"


@cache
def libraries() -> str:
    """Versions of Python and the numeric libraries and the machine type, in one line."""
    system = [f"python {platform.python_version()}", platform.machine()]
    return ", ".join([*system, *(f"{name} {_version_of(name)}" for name in LIBRARIES)])


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
