"""The public gRPC port: counts connections and relays them to gRPC's server after the HTTP/2 handshake.

gRPC's server listens on a socket in a private folder. Each client has its own connection to the server; the
connection's name contains the client's address (`client_host`). Not here: the handshake (settings_handshake.py), the
server (server.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pmmds_serving.rpc.settings_handshake import HandshakeError, SettingsHandshake

# How long, in seconds, a slow client may take to read its last bytes before the connection is aborted.
LINGER_SECONDS = 10.0


class GrpcRelay:
    """Accepts clients on the public address and relays their bytes.

    Args:
        most: maximum number of connections; further ones are closed.
        seconds: maximum time from the first byte to the acknowledgment of SETTINGS.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self.clients: set[_Client] = set()
        self._folder = Path(tempfile.mkdtemp(prefix="pmmds-grpc-"))
        self._numbers = itertools.count(1)
        self._listener: asyncio.Server | None = None

    @property
    def backend(self) -> str:
        """The address on which gRPC's server listens."""
        return f"{self._folder}/server"

    async def listen(self, host: str, port: int) -> None:
        """Listen on the public port, shared with other workers. Raises OSError if another program uses the port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((host, port))
            self._listener = await asyncio.get_running_loop().create_server(lambda: _Client(self), sock=listening)
        except BaseException:
            listening.close()
            raise

    def stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def close(self) -> None:
        """Close all connections and remove the folder."""
        self.stop_listening()
        for client in list(self.clients):
            client.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def connect(self, client: _Client, address: str) -> None:
        """Connect a client to gRPC's server under a name that contains the client's address."""
        name, loop = self._folder / f"{next(self._numbers)}-{address}", asyncio.get_running_loop()
        backend = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            backend.setblocking(False)
            backend.bind(str(name))
            await loop.sock_connect(backend, self.backend)
            await loop.create_unix_connection(lambda: _Backend(client), sock=backend)
        except BaseException:
            backend.close()
            raise
        finally:
            name.unlink(missing_ok=True)


def client_host(peer: str) -> str:
    """Return the client's address from gRPC's peer name, such as `unix:/folder/7-127.0.0.1`; empty if it has none."""
    kind, _, name = unquote(peer).partition(":")
    host = name.rpartition("/")[2].partition("-")[2] if kind == "unix" else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class _Side(asyncio.Protocol):
    """One side of a relayed connection. Received bytes are written to the other side, no faster than it reads them."""

    transport: asyncio.Transport | None = None
    other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made: Any = transport  # uvloop's transport is not an asyncio.Transport
        self.transport = made

    def data_received(self, data: bytes) -> None:
        self.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        if data and self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.end()

    def end(self) -> None:
        """Close after the pending bytes are sent, or after a timeout."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Client(_Side):
    """A client's connection."""

    def __init__(self, relay: GrpcRelay) -> None:
        self._relay = relay
        self._handshake = SettingsHandshake()
        self._early, self._is_connected = b"", False
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._relay.clients) >= self._relay.most:
            self.abort()
            return
        self._relay.clients.add(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._relay.seconds, self.abort)
        self.pause_reading()
        peer = transport.get_extra_info("peername")
        self._connecting = loop.create_task(self._connect(str(peer[0]) if peer else ""))

    async def _connect(self, address: str) -> None:
        try:
            await self._relay.connect(self, address)
        except OSError:
            self.abort()
            return
        if self in self._relay.clients:
            early, self._early, self._is_connected = self._early, b"", True
            self.data_received(early)
            self.resume_reading()
        elif (backend := self.other) is not None:  # the client disconnected in the meantime
            backend.abort()

    def data_received(self, data: bytes) -> None:
        if not self._is_connected:  # a transport may deliver more data once before it pauses
            self._early += data
            self.pause_reading()
            return
        if not self._handshake.is_done:
            try:
                data = self._handshake.feed(data)
            except HandshakeError:
                self.abort()
                return
            self._stop_timer_if_done()
        self.pass_on(data)

    def _stop_timer_if_done(self) -> None:
        if self._handshake.is_done and self._timer is not None:
            self._timer.cancel()

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.clients.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(error)


class _Backend(_Side):
    """The connection to gRPC's server for one client."""

    def __init__(self, client: _Client) -> None:
        self.other = client
        client.other = self
