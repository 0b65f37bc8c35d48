"""The address and the scheme of a request's client; forwarded headers count only if a trusted proxy sent them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from pmmds_console.addresses import Network, is_in


@dataclass(frozen=True)
class Client:
    """Where a request comes from. `is_proxied`: a trusted proxy sent it, and the other fields are what it forwarded."""

    address: str
    is_https: bool
    is_proxied: bool


def client_of(scope: Scope, trusted: Sequence[Network]) -> Client:
    """The client of an HTTP request.

    Behind trusted proxies, the address is the last one in X-Forwarded-For that is not a trusted proxy's.
    """
    peer, headers = (scope.get("client") or ("",))[0], Headers(scope=scope)
    if not is_in(peer, trusted):
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
        if not address or not is_in(address, trusted):
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
