"""Finds `pmmds.toml`: the file in PMMDS_CONFIG, or the nearest one in the working directory and its parents.

Not here: its content (config_file.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pmmds_core.errors import SettingError

FILE = "pmmds.toml"
VARIABLE = "PMMDS_CONFIG"
# A process for which PMMDS_CONFIG is this empty file reads its settings from variables only.
NO_FILE = os.devnull
_ROOT_USER = 0


def find_config(environment: Mapping[str, str] | None) -> Path | None:
    """Return the absolute path of the settings file, or None if there is none.

    Args:
        environment: the variables to read. If None, those of this process are read, and folders are searched as well.

    Raises:
        SettingError: PMMDS_CONFIG is not the path of a file, or the file found belongs to another user.
    """
    named = (os.environ if environment is None else environment).get(VARIABLE, "")
    if named == NO_FILE:
        return None
    if named:
        return _named(Path(named).expanduser())
    return _found() if environment is None else None


def export_config() -> None:
    """Set PMMDS_CONFIG of this process to the file in use, for child processes that have another working directory."""
    file = find_config(None)
    if file is not None:
        os.environ[VARIABLE] = str(file)


def _named(path: Path) -> Path:
    if not path.is_file():
        raise SettingError(
            f"{VARIABLE} names {path}, which is not a file.", next_step=f"Set it to the path of a {FILE}, or unset it."
        )
    return path.absolute()


def _found() -> Path | None:
    try:
        folder = Path.cwd()
    # The working directory was deleted.
    except FileNotFoundError:
        return None
    file = next((f / FILE for f in (folder, *folder.parents) if (f / FILE).is_file()), None)
    if file is not None and file.stat().st_uid not in (_ROOT_USER, os.geteuid()):
        raise SettingError(
            f"{file} belongs to another user, so it is not used.",
            next_step=f"If you trust it, set {VARIABLE}={file}. To use no file, set {VARIABLE}={NO_FILE}.",
        )
    return file
