"""Rules for Host, Origin and Authorization headers, as pure functions of header values.

A website can make a browser send requests to loopback (cross-site requests), even with its own host name (DNS
rebinding). Not here: the servers that apply the rules (web_guard.py, pmmds_serving/access.py).
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Collection

# `host`, `host:port`, `[::1]:port`.
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_OWN_SITE = frozenset({"", "none", "same-origin"})


def host_of(authority: str) -> str:
    """Return the lowercase host in a Host header, without the port and square brackets.

    The result is an empty string if the header is malformed.
    """
    match = _AUTHORITY.fullmatch(authority.lower())
    return match[1].strip("[]") if match else ""


def is_loopback_host(authority: str) -> bool:
    """Return True if a Host header is `localhost` or a loopback address, with any port."""
    host = host_of(authority)
    return host == "localhost" or is_loopback_address(host)


def is_loopback_address(address: str) -> bool:
    """Return True for 127.0.0.0/8 and ::1, and False for other addresses and for names."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_allowed_host(authority: str, names: Collection[str]) -> bool:
    """Return True if a Host header is loopback or one of `names`.

    The names are lowercase and have the form `host` or `host:port`.
    """
    host = host_of(authority)
    return bool(host) and (is_loopback_host(authority) or host in names or authority.lower() in names)


def is_foreign(origin: str, fetch_site: str, authority: str) -> bool:
    """Return True if a browser sent the request from a page with another origin.

    Args:
        origin: the Origin header, or empty if the request has none.
        fetch_site: the Sec-Fetch-Site header, or empty if the request has none.
        authority: the Host header, whose host and port must be those of `origin`.
    """
    if fetch_site.lower() not in _OWN_SITE:
        return True
    scheme, _, location = origin.lower().partition("://")
    return bool(origin) and not (scheme in ("http", "https") and location == authority.lower())


def has_bearer_token(authorization: str, token: str) -> bool:
    """Return True if an Authorization header has this bearer token. The scheme may have any case (RFC 9110, 11.1)."""
    scheme, _, given = authorization.strip().partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())


def media_type(content_type: str) -> str:
    """Return a Content-Type header's lowercase media type without parameters."""
    return content_type.partition(";")[0].strip().lower()
