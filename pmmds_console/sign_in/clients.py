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
    scheme = ",".join(headers.getlist("x-forwarded-proto")).rpartition(",")[2].strip().lower()
    return Client(_farthest(forwarded, trusted) or peer, scheme == "https", is_proxied=True)


def _farthest(forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the last element of X-Forwarded-For that is not a trusted proxy's address.

    Return an empty string if that element is not an address: the elements before it may be the client's own.
    """
    for element in reversed(forwarded):
        address = _address(element.strip())
        if not address or not _is_in(address, trusted):
            return address
    return ""


def _address(element: str) -> str:
    """Return the address in an element such as 10.0.0.5, 10.0.0.5:49231 or [fd00::5]:49231, or an empty string."""
    text = element
    if element.startswith("["):
        text = element[1:].partition("]")[0]
    elif element.count(":") == 1:
        text = element.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
