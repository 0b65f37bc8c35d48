"""Candidates of the user's own, named by PMMDS_TRAIN_CANDIDATES. Keep out: the packaged ones (pipelines.py)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from pmmds_core.errors import SettingError
from pmmds_core.training.pipelines import CANDIDATES, Build

_EXPECTED = "Expected module:name, where name is a mapping of a candidate's name to a function of (contract, seed)."


def load_candidates(place: str) -> Mapping[str, Build]:
    """The mapping at `module:name`; the packaged candidates for an empty text. The current folder is looked in too.

    Raises:
        SettingError: there is no such module or name, or it is no mapping of functions.
    """
    if not place:
        return CANDIDATES
    module, _, name = place.partition(":")
    if not name:
        raise _refused(place, "it has no colon")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise _refused(place, str(error)) from None
    except AttributeError:
        raise _refused(place, f"{module} has no {name}") from None
    if not isinstance(found, Mapping) or not found or not all(map(callable, found.values())):
        raise _refused(place, f"{name} is {type(found).__name__}")
    return found


def _refused(place: str, why: str) -> SettingError:
    return SettingError(f"PMMDS_TRAIN_CANDIDATES={place!r} cannot be used: {why}.", next_step=_EXPECTED)
