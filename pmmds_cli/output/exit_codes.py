"""Exit codes of the `pmmds` command. docs/commands.md lists them for users."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command.

    A PMMDS error uses its class's `exit_code` (pmmds_core/errors.py), which is 1 or 2.
    """

    FAILURE = 1
    USAGE = 2
    CONDITION_NOT_MET = 3
    TOO_FEW_ROWS = 4
    INTERRUPTED = 130
