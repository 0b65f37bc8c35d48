"""One client address cannot use up the connections, the pending requests or the sign-ins of a real console.

Linux accepts connections from every address in 127.0.0.0/8, so the tests connect from several of them.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from pmmds_console.addresses import AddressLimit, trusted_networks
from pmmds_console.application import MAX_REQUESTS_PER_ADDRESS, MAX_SIGN_INS_PER_ADDRESS
from pmmds_console.connection_limits import MAX_CONNECTIONS_PER_ADDRESS
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.service_process import wait_until

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console limits")]
CLIENT, OTHER, PROXY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
PHRASE = "correct horse battery"
TOO_MANY = "Your address has too many {}. Try again later."


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with local users that trusts one proxy. Its time limit is longer than the tests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2_048)), hard))
    home: Path = tmp_path_factory.mktemp("address-limits") / "home"
    given = {
        "PMMDS_CONSOLE_SIGN_IN": "users",
        "PMMDS_CONSOLE_TRUSTED_PROXIES": PROXY,
        "PMMDS_CONSOLE_REQUEST_SECONDS": "300",
    }
    with running_console(console_environment(str(home), **given)) as running:
        yield running


def connect(console: RunningConsole, address: str) -> socket.socket:
    target = (console.settings.console_host, console.settings.console_port)
    return socket.create_connection(target, timeout=60, source_address=(address, 0))


def said(client: socket.socket) -> str:
    """Everything that the console sends before it closes the connection."""
    return b"".join(iter(lambda: client.recv(65_536), b"")).decode()


def livez(console: RunningConsole, address: str, forwarded: str = "") -> tuple[int, str]:
    """Status and body of `/livez` for a client at an address, or behind a proxy at this address."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=60) as client:
        answer = client.get(f"{console.url}/livez", headers=headers)
    return answer.status_code, answer.text


def sign_in(console: RunningConsole, name: str, forwarded: str) -> int:
    """The status of a sign-in by a client behind the proxy."""
    fields = {"name": name, "password": PHRASE, "form_token": "token"}
    headers = {**BROWSER, "X-Forwarded-For": forwarded, "Cookie": "pmmds_sign_in_form=token"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=PROXY), timeout=120) as client:
        return client.post(f"{console.url}/sign-in", data=fields, headers=headers).status_code


def test_connections_of_one_address_do_not_block_other_addresses(console: RunningConsole) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS):
            stack.enter_context(connect(console, CLIENT))
        with connect(console, CLIENT) as rejected:
            received = said(rejected)
        assert received.startswith("HTTP/1.1 503 ")
        assert TOO_MANY.format("connections") in received
        assert livez(console, OTHER) == (200, '{"status":"alive"}')
    wait_until(lambda: livez(console, CLIENT)[0] == 200)


def test_a_trusted_proxy_has_no_limit_of_connections(console: RunningConsole) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS + 20):
            stack.enter_context(connect(console, PROXY))
        assert livez(console, PROXY)[0] == 200
        assert livez(console, PROXY, forwarded="192.0.2.1")[0] == 200


def test_pending_requests_of_one_client_behind_a_proxy_are_limited(console: RunningConsole) -> None:
    """The requests have a complete head and half a body, so that the application waits for the rest."""
    head = (
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nname"
    )
    with ExitStack() as stack:
        for _ in range(MAX_REQUESTS_PER_ADDRESS):
            stack.enter_context(connect(console, PROXY)).sendall(head.encode())
        wait_until(lambda: livez(console, PROXY, forwarded="192.0.2.1")[0] == 503)
        assert TOO_MANY.format("pending requests") in livez(console, PROXY, forwarded="192.0.2.1")[1]
        for forwarded in ("192.0.2.2", "2001:db8::1", ""):
            assert livez(console, PROXY, forwarded=forwarded)[0] == 200
    wait_until(lambda: livez(console, PROXY, forwarded="192.0.2.1")[0] == 200)


def test_sign_ins_of_one_client_do_not_fill_the_queue(console: RunningConsole) -> None:
    deployment = Deployment(console.settings)
    deployment.users.add("ada", Role.VIEWER, PHRASE)
    n_sent = MAX_SIGN_INS_PER_ADDRESS + 5
    with ThreadPoolExecutor(n_sent + 1) as pool:
        # The first failed sign-in waits for this transaction to store its audit event, and the others wait for it.
        with deployment.database.begin() as connection:
            connection.exec_driver_sql("UPDATE console_users SET role = role")
            flood = [pool.submit(sign_in, console, "nobody", "192.0.2.1") for _ in range(n_sent)]
            wait_until(lambda: sum(future.done() for future in flood) == n_sent - MAX_SIGN_INS_PER_ADDRESS)
            assert {future.result() for future in flood if future.done()} == {503}
            other = pool.submit(sign_in, console, "ada", "192.0.2.2")
        assert other.result(120) == 303
        statuses = [future.result(120) for future in flood]
    assert (statuses.count(401), statuses.count(503)) == (MAX_SIGN_INS_PER_ADDRESS, n_sent - MAX_SIGN_INS_PER_ADDRESS)


def test_an_ipv6_network_counts_as_one_address() -> None:
    limit = AddressLimit(2, trusted_networks("2001:db8:1::/48"), "connections")
    assert [limit.take(f"2001:db8::{i}") for i in range(3)] == [True, True, False]
    assert limit.take("2001:db8:0:1::1"), "another /64 network"
    assert [limit.take("2001:db8:1::1") for _ in range(5)] == [True] * 5, "a trusted proxy"
    limit.give_back("2001:db8::9")
    assert [limit.take("2001:db8::1"), limit.take("2001:db8::1")] == [True, False]
