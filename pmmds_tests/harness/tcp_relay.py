"""A TCP relay in front of an MLflow server that can limit, delay or cut off artifact downloads.

All other data passes unchanged.
"""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ARTIFACT = b"GET /api/2.0/mlflow-artifacts/artifacts/"
CHUNK_BYTES = 65536


class _Connection:
    """A client's connection and the matching server connection.

    `is_counted` is True if the client requested an artifact.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_counted = self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True
        for end in (self.client, self.server):
            with suppress(OSError):  # The connection is already closed.
                end.shutdown(socket.SHUT_RDWR)


class Relay:
    """A relay from `port` to the server's port. `holding` is True while artifact bytes are held back or slowed."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self.holding = threading.Event()
        self._changed = threading.Condition()
        self._n_bytes_left: float = math.inf
        self._trickle_seconds: float | None = None
        self._connections: list[_Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def let_through(self, n_bytes: float, *, then_each_seconds: float | None = None) -> None:
        """Pass `n_bytes` more bytes of artifacts, then nothing or one byte every `then_each_seconds`."""
        with self._changed:
            self._n_bytes_left, self._trickle_seconds = n_bytes, then_each_seconds
            self.holding.clear()
            self._changed.notify_all()

    def open(self) -> None:
        """Pass all bytes again, including the bytes that were held back."""
        self.let_through(math.inf)

    def cut(self) -> None:
        """Close all connections. The bytes that are held back are lost."""
        with self._changed:
            for connection in self._connections:
                connection.cut()
            self._connections.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), timeout=60)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        connection = _Connection(client, server)
        with self._changed:
            self._connections.append(connection)
        for pump in (self._ask, self._answer):
            threading.Thread(target=pump, args=(connection,), daemon=True).start()

    def _ask(self, connection: _Connection) -> None:
        with connection.server, suppress(OSError):
            while data := connection.client.recv(CHUNK_BYTES):
                connection.is_counted = data.startswith(ARTIFACT)
                connection.server.sendall(data)

    def _answer(self, connection: _Connection) -> None:
        with connection.client, suppress(OSError):
            while data := connection.server.recv(CHUNK_BYTES):
                if connection.is_counted:
                    self._dole_out(connection, data)
                else:
                    connection.client.sendall(data)

    def _dole_out(self, connection: _Connection, data: bytes) -> None:
        with self._changed:
            while not connection.is_cut:
                n_bytes = int(min(self._n_bytes_left, len(data)))
                connection.client.sendall(data[:n_bytes])
                self._n_bytes_left, data = self._n_bytes_left - n_bytes, data[n_bytes:]
                if not data:
                    return
                self.holding.set()
                if not self._changed.wait(self._trickle_seconds):
                    self._n_bytes_left += 1


@contextmanager
def relaying(server_port: int) -> Iterator[Relay]:
    """Run a relay within the block."""
    relay = Relay(server_port)
    try:
        yield relay
    finally:
        relay.close()
