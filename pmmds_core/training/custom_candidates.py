"""Loads the custom candidates from the module in PMMDS_TRAIN_CANDIDATES.

Not here: the built-in candidates (pipelines.py).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from pmmds_core.errors import SettingError
from pmmds_core.training.pipelines import CANDIDATES, Build

_EXPECTED = "Expected module:name, where name is a mapping of a candidate's name to a function of (contract, seed)."


def load_candidates(place: str) -> Mapping[str, Build]:
    """Load the mapping at `module:name`, which may be in the current folder.

    An empty `place` means the built-in candidates.

    Raises:
        SettingError: the module or name does not exist, or is not a mapping to functions.
    """
    if not place:
        return CANDIDATES
    module, _, name = place.partition(":")
    if not name:
        raise _rejected(place, "it has no colon")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        candidates = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise _rejected(place, str(error)) from None
    except AttributeError:
        raise _rejected(place, f"{module} has no {name}") from None
    if not isinstance(candidates, Mapping) or not candidates or not all(map(callable, candidates.values())):
        raise _rejected(place, f"{name} is {type(candidates).__name__}")
    return candidates


def _rejected(place: str, why: str) -> SettingError:
    return SettingError(f"PMMDS_TRAIN_CANDIDATES={place!r} cannot be used: {why}.", next_step=_EXPECTED)
