"""The admin token that `pmmds up` generates: a file in PMMDS_HOME with mode 0600.

The service and the client commands with the same PMMDS_HOME use this token if PMMDS_ADMIN_TOKEN is not set. Not here:
checking a request's token (pmmds_serving/access.py).
"""

from __future__ import annotations

import secrets
from pathlib import Path

from pmmds_core.errors import SettingError
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.runtime.private_folders import make_private

FILE = "admin_token"
_BYTES = 32
_OWN_USER_ONLY = 0o600


def read_token(home: Path) -> str:
    """Return the admin token in this PMMDS_HOME, or an empty string if there is none.

    Raises:
        SettingError: the file exists but cannot be read or is not a single line of text.
    """
    file = home / FILE
    try:
        token = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"The admin token in {file} cannot be read ({type(error).__name__}).",
            next_step="Run this as the user who owns PMMDS_HOME, or delete the file. `pmmds up` creates a new one.",
        ) from None
    if len(token.split()) > 1:
        raise SettingError(
            f"{file} must contain a single line with the token.",
            next_step="Delete the file. `pmmds up` creates a new one.",
        )
    return token


def ensure_token(home: Path) -> Path:
    """Return the token file in this PMMDS_HOME. If the file does not exist, it is created with 256 random bits.

    Raises:
        SettingError: the file cannot be read.
        OSError: the file cannot be written.
    """
    file = home / FILE
    if not read_token(home):
        make_private(home)
        write_atomically(file, f"{secrets.token_urlsafe(_BYTES)}\n".encode(), mode=_OWN_USER_ONLY)
    return file
