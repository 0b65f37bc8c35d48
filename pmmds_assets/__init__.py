"""Dagster: asset definitions, jobs, sensors, schedules, checks, and the component for other Dagster projects.

The work itself is in pmmds_core. instance/ has the Dagster home and the daemon. Importing this package imports neither
Dagster nor anything else, because commands that need only a name in it must start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pmmds_assets.component import PmmdsLoopComponent
    from pmmds_assets.loop_definitions import build_defs

__all__ = ["PmmdsLoopComponent", "build_defs"]
_MODULES = {"PmmdsLoopComponent": "component", "build_defs": "loop_definitions"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, which Dagster reads to find the component."""
    return [*globals(), *__all__]
