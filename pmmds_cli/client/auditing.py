"""Determines who uses the command line, for audit events.

Not here: recording them (pmmds_core/workflows/auditing.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmmds_core.stores.identity.audit import Origin


def current_user() -> str:
    """Return the name of the operating system's user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        return "the command line"


def origin(by: str = "") -> Origin:
    """Return the origin of a change by this command. If `by` is empty, the current user's name is used."""
    from pmmds_core.stores.identity.audit import Origin
    from pmmds_core.workflows.auditing import COMMAND_LINE

    return Origin(by or current_user(), COMMAND_LINE)
