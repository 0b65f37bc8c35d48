"""Checks the addresses and signing secrets in the webhook settings. No message contains a value, because it is secret.

Not here: sending (stores/lifecycle/webhook_sender.py), the settings (settings.py, loop_settings.py).
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

from pmmds_core.errors import SettingError

_BETWEEN = re.compile(r"[\s,]+")
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")
_PREFIX = "whsec_"
# The sizes that the Standard Webhooks specification allows.
_MIN_BYTES, _MAX_BYTES = 24, 64


def words_of(setting: str) -> tuple[str, ...]:
    """Return the parts of a list that is separated by commas or blanks, without duplicates."""
    return tuple(dict.fromkeys(part for part in _BETWEEN.split(setting) if part))


def check_webhooks(urls: str, secret: str) -> None:
    """Check PMMDS_WEBHOOK_URLS and PMMDS_WEBHOOK_SECRET.

    Raises:
        SettingError: a URL is not https (http is allowed for loopback), a secret has another form, or there are URLs
            but no secret.
    """
    for place, url in enumerate(words_of(urls), start=1):
        if not _is_allowed(url):
            raise SettingError(
                f"URL {place} of PMMDS_WEBHOOK_URLS is not an https:// address with a host.",
                next_step="Use https://. http:// is allowed only for localhost and loopback addresses.",
            )
    for place, word in enumerate(words_of(secret), start=1):
        if not is_secret(word):
            raise SettingError(
                f"Secret {place} of PMMDS_WEBHOOK_SECRET is not whsec_ followed by 24 to 64 bytes in base64.",
                next_step="`pmmds webhooks secret` prints a new one.",
            )
    if words_of(urls) and not words_of(secret):
        raise SettingError(
            "PMMDS_WEBHOOK_URLS is set without PMMDS_WEBHOOK_SECRET, and events are sent only with a signature.",
            next_step="`pmmds webhooks secret` prints a new secret. Set it here and in the receiver.",
        )


def _is_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme == "http":
        return _LOOPBACK.fullmatch(host) is not None
    return parts.scheme == "https" and bool(host)


def is_secret(word: str) -> bool:
    """Return True if the word is whsec_ followed by 24 to 64 bytes in base64."""
    if not word.startswith(_PREFIX):
        return False
    text = word.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return _MIN_BYTES <= len(key) <= _MAX_BYTES
