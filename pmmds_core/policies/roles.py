"""Roles of people and programs in the console and its API: viewer, operator and approver.

Not here: privileges of database logins (stores/database/roles.py).
"""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """A role, which includes the permissions of all lower roles."""

    VIEWER = 1
    """Reads everything."""
    OPERATOR = 2
    """Also acknowledges, resolves and comments on alerts."""
    APPROVER = 3
    """Also approves and rejects promotions, and rolls back."""

    @property
    def word(self) -> str:
        """The name in settings, commands and pages, such as `viewer`."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> Role:
        """Return the role with this name. Raises KeyError for any other text."""
        return {role.word: role for role in cls}[word]
