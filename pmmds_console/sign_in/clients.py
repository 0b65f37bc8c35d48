"""The address and the scheme of a request's client; forwarded headers count only if a trusted proxy sent them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from pmmds_core.config.values import comma_list
from pmmds_core.errors import SettingError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Client:
    """Where a request comes from. `is_proxied`: a trusted proxy sent it, and the other fields are what it forwarded."""

    address: str
    is_https: bool
    is_proxied: bool


def trusted_networks(text: str) -> tuple[Network, ...]:
    """The networks in PMMDS_CONSOLE_TRUSTED_PROXIES. Raises SettingError."""
    try:
        return tuple(ipaddress.ip_network(part) for part in comma_list(text))
    except ValueError as error:
        raise SettingError(
            f"PMMDS_CONSOLE_TRUSTED_PROXIES is not valid: {error}.",
            next_step="Set a comma-separated list such as 10.0.0.5, 10.1.0.0/16.",
        ) from None


def client_of(scope: Scope, trusted: Sequence[Network]) -> Client:
    """The client of an HTTP request.

    Behind trusted proxies, the address is the last one in X-Forwarded-For that is not a trusted proxy's.
    """
    peer, headers = (scope.get("client") or ("",))[0], Headers(scope=scope)
    if not _is_in(peer, trusted):
        return Client(peer, scope.get("scheme") == "https", is_proxied=False)
    forwarded = ",".join(headers.getlist("x-forwarded-for")).split(",")
    addresses = [address for part in forwarded if (address := _address(part)) and not _is_in(address, trusted)]
    scheme = ",".join(headers.getlist("x-forwarded-proto")).rpartition(",")[2].strip().lower()
    return Client(addresses[-1] if addresses else peer, scheme == "https", is_proxied=True)


def _address(text: str) -> str:
    """The address in an element of X-Forwarded-For; empty if it is none."""
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        return ""


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
