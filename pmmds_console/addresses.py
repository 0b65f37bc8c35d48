"""Trusted networks, and limits on what one client address may use at the same time.

Not here: the address of a request's client (sign_in/clients.py).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pmmds_console.problems import unavailable
from pmmds_core.config.values import comma_list
from pmmds_core.errors import SettingError
from pmmds_core.stores.identity.attempts import network_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def trusted_networks(text: str) -> tuple[Network, ...]:
    """The networks in PMMDS_CONSOLE_TRUSTED_PROXIES. Raises SettingError."""
    try:
        return tuple(ipaddress.ip_network(part) for part in comma_list(text))
    except ValueError as error:
        raise SettingError(
            f"PMMDS_CONSOLE_TRUSTED_PROXIES is not valid: {error}.",
            next_step="Set a comma-separated list such as 10.0.0.5, 10.1.0.0/16.",
        ) from None


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """True if the text is an address in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


class AddressLimit:
    """Counts what each client address uses, such as connections. All addresses of an IPv6 /64 network count as one.

    Trusted proxies have no limit, because they send the requests of many clients. Not safe for use in several threads.
    """

    def __init__(self, maximum: int, trusted: Sequence[Network], subject: str) -> None:
        """
        Args:
            maximum: the number that one address may use at the same time.
            trusted: the networks of trusted proxies.
            subject: a plural noun for the sentence about too many of them, such as `connections`.
        """
        self._maximum, self._trusted = maximum, trusted
        self.problem = f"Your address has too many {subject}. Try again later."
        self._used: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count one more for an address. Returns False, without counting, if the address already has the maximum."""
        if is_in(address, self._trusted):
            return True
        key = _key(address)
        if self._used[key] >= self._maximum:
            return False
        self._used[key] += 1
        return True

    def give_back(self, address: str) -> None:
        """Count one less for an address, after `take` returned True for it."""
        if is_in(address, self._trusted):
            return
        key = _key(address)
        self._used[key] -= 1
        if not self._used[key]:
            del self._used[key]

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Count one more for an address during the block. Raises ProblemError 503 if it already has the maximum."""
        if not self.take(address):
            raise unavailable(self.problem)
        try:
            yield
        finally:
            self.give_back(address)


def _key(address: str) -> str:
    return str(network_of(address) or address)
