"""The code that trains, as a model version records it: enough to say later whether it is still the same.

Add here what changes a trained model. Keep out: data and settings of the run (model_card.Provenance).
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

# What decides the bits of a fitted model beside our own code.
LIBRARIES = ("scikit-learn", "numpy", "pandas", "scipy")


def recorded(candidate: str, seed: int) -> dict[str, Any]:
    """What a version is trained with: candidate, seed, code and libraries."""
    return {"candidate": candidate, "seed": seed, "code_version": code_version(), "libraries": libraries()}


@cache
def code_version() -> str:
    """The package's version and a digest of the sources of the core, which an editable installation changes too."""
    root = Path(str(files("pmmds_core")))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return f"{_version_of('pmmds')}+{digest.hexdigest()[:12]}"


@cache
def libraries() -> str:
    """Python, the machine and the numeric libraries, as one line that can be compared."""
    found = [f"python {platform.python_version()}", platform.machine()]
    return ", ".join([*found, *(f"{name} {_version_of(name)}" for name in LIBRARIES)])


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
