"""The names of people and programs: which names are valid, and when two names belong to the same person.

Not here: what a person may do (roles.py), stored users (stores/identity/users.py).
"""

from __future__ import annotations

import unicodedata

from pmmds_core.errors import UsageError
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK

MAX_LENGTH = 128
ADMIN = "admin"
"""The name behind the admin token, which belongs to no person."""
# The name that is recorded for changes that no person made.
_RESERVED = frozenset({ADMIN, AUTOMATIC_ROLLBACK, "monitoring", "retraining"})


def key_of(name: str) -> str:
    """Return the form of a name that is used for comparison.

    Two names with the same form belong to the same person.
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


def checked_name(name: str) -> str:
    """Return the name without surrounding spaces, in Unicode's composed form.

    Raises:
        UsageError: the name is empty, longer than 128 characters, has control characters, or is reserved.
    """
    text = unicodedata.normalize("NFKC", name).strip()
    if not text or len(text) > MAX_LENGTH or not text.isprintable():
        raise UsageError(
            f"The name {text[:MAX_LENGTH]!r} is not valid.",
            next_step=f"Use 1 to {MAX_LENGTH} printable characters.",
        )
    if key_of(text) in _RESERVED:
        raise UsageError(f"The name {text!r} is reserved for changes that no person makes.")
    return text
