"""Checks for processes on this machine by id. Not here: starting and stopping them (pmmds_cli/processes/)."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Return True if a process with this id exists, regardless of its owner."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
