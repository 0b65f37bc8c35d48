"""Random secrets that a client sends back. Only the SHA-256 digests of the secrets are stored.

A plain digest is sufficient, because a secret has 256 random bits. Not here: passwords (passwords.py).
"""

from __future__ import annotations

import hashlib
from secrets import token_urlsafe

_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """Return a new secret, which is the prefix followed by 256 random bits as URL-safe text."""
    return prefix + token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """Return the SHA-256 digest of a secret in hexadecimal, which is the stored form."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
