"""Who uses the command line, for audit events. Not here: recording them (pmmds_core/workflows/auditing.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmmds_core.stores.identity.audit import Origin


def current_user() -> str:
    """The name of the operating system's user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "the command line"


def origin(by: str = "") -> Origin:
    """The origin of a change by this command. `by`: the name that it was given; empty: the current user's."""
    from pmmds_core.stores.identity.audit import Origin
    from pmmds_core.workflows.auditing import COMMAND_LINE

    return Origin(by or current_user(), COMMAND_LINE)
