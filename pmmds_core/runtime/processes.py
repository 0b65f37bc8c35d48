"""Other processes of this machine, by their ids. Keep out: starting and stopping them."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether there is such a process, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
