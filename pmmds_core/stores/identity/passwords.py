"""Password hashes with Argon2id. Not here: stored users (users.py), limits of sign-in attempts (attempts.py)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pmmds_core.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 10, 256


def hash_of(password: str) -> str:
    """The salted Argon2id hash with argon2-cffi's parameters (RFC 9106, low memory).

    Raises:
        UsageError: the password has fewer than 10 or more than 256 characters, or is one repeated character; or
            argon2-cffi is not installed.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or len(set(password)) == 1:
        raise UsageError(
            "The password is not accepted.",
            next_step=f"Use {MIN_LENGTH} to {MAX_LENGTH} characters that are not all the same.",
        )
    return _hasher().hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """True if the password has this hash. It takes as long for None, the hash of a user who does not exist."""
    hasher = _hasher()
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        hasher.verify(stored or _unknown_hash(), password[: MAX_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _hasher() -> PasswordHasher:
    """Raises UsageError if argon2-cffi is not installed."""
    try:
        from argon2 import PasswordHasher
    except ImportError:
        raise UsageError(
            "The package argon2-cffi is not installed.", next_step="Install it with `pip install 'pmmds[console]'`."
        ) from None
    return PasswordHasher()


@cache
def _unknown_hash() -> str:
    """A hash to verify against when there is no user, so that the response time does not reveal it."""
    from secrets import token_urlsafe

    return hash_of(token_urlsafe())
