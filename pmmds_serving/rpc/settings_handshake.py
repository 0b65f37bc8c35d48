"""Handles the start of an HTTP/2 connection.

Only SETTINGS frames are relayed until the client acknowledges the server's settings.

gRPC enforces its limits on metadata, streams and the HPACK table only after that acknowledgment. Not here: sockets
(relay.py).
"""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# The maximum number of bytes that a client may send before the server's first acknowledgment: the calls that fit into
# the first window (65,535 bytes), and their metadata.
MAX_HELD_BYTES = 100_000
MAX_FRAMES, MAX_SETTINGS = 500, 8
_HEAD_BYTES, _SETTINGS, _ACK = 9, 4, 1


class HandshakeError(Exception):
    """Raised if the connection does not start with HTTP/2 or too many bytes arrive before the acknowledgment."""


class SettingsHandshake:
    """A filter for one client's bytes.

    `is_done` is True once the client has acknowledged the settings. All later bytes are relayed.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._has_preface = False
        self._unread = bytearray()
        self._held = bytearray()
        self._n_frames = self._n_settings = 0

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to relay now. Frames other than SETTINGS are held until the acknowledgment.

        Raises:
            HandshakeError: if the handshake failed. The caller closes the connection.
        """
        self._unread += data
        passed = bytearray(self._preface())
        while self._has_preface and not self.is_done and (frame := self._next_frame()):
            self._count(is_settings=frame[3] == _SETTINGS)
            if frame[3] != _SETTINGS:
                self._held += frame
                continue
            passed += frame
            self.is_done = bool(frame[4] & _ACK)
        if self.is_done:
            passed += self._held + self._unread
            self._held, self._unread = bytearray(), bytearray()
        elif len(self._held) + len(self._unread) > MAX_HELD_BYTES:
            raise HandshakeError
        return bytes(passed)

    def _count(self, *, is_settings: bool) -> None:
        self._n_frames += 1
        self._n_settings += is_settings
        if self._n_frames > MAX_FRAMES or self._n_settings > MAX_SETTINGS:
            raise HandshakeError

    def _preface(self) -> bytes:
        if self._has_preface:
            return b""
        if not PREFACE.startswith(self._unread[: len(PREFACE)]):
            raise HandshakeError
        if len(self._unread) < len(PREFACE):
            return b""
        self._has_preface = True
        del self._unread[: len(PREFACE)]
        return PREFACE

    def _next_frame(self) -> bytes:
        """Return the next complete frame, or empty bytes if it is incomplete."""
        n_bytes = _HEAD_BYTES + int.from_bytes(self._unread[:3], "big")
        if len(self._unread) < max(_HEAD_BYTES, n_bytes):
            return b""
        frame = bytes(self._unread[:n_bytes])
        del self._unread[:n_bytes]
        return frame
