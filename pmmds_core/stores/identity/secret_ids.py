"""Random secrets that a client sends back; only their SHA-256 digests are stored.

A plain digest suffices, because a secret has 256 random bits. Not here: passwords (passwords.py).
"""

from __future__ import annotations

import hashlib
from secrets import token_urlsafe

_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """A new secret: the prefix and 256 random bits as URL-safe text."""
    return prefix + token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """The SHA-256 digest of a secret in hexadecimal, as stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
