"""Until a client acknowledges the server's SETTINGS, only its SETTINGS frames pass, and few bytes are buffered."""

from __future__ import annotations

import pytest

from pmmds_serving.rpc.settings_handshake import MAX_FRAMES, MAX_HELD_BYTES, HandshakeError, SettingsHandshake
from pmmds_tests.harness.http2_frames import ACK, DATA, HEADERS, PING, PREFACE, SETTINGS, frame

ACKNOWLEDGED = frame(SETTINGS, ACK, 0)
CALL = frame(HEADERS, 4, 1, b"x" * 50)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_calls_pass_in_order_after_the_acknowledgment(size: int) -> None:
    handshake, sent = SettingsHandshake(), PREFACE + CALL + frame(DATA, 1, 1, b"y") + ACKNOWLEDGED + b"rest"
    passed = b"".join(handshake.feed(sent[i : i + size]) for i in range(0, len(sent), size))
    assert passed == PREFACE + ACKNOWLEDGED + CALL + frame(DATA, 1, 1, b"y") + b"rest"
    assert handshake.is_done


def test_only_settings_pass_before_the_acknowledgment() -> None:
    handshake = SettingsHandshake()
    assert handshake.feed(PREFACE + CALL) == PREFACE
    assert not handshake.is_done


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n",
        PREFACE + frame(HEADERS, 0, 1, b"x" * 16_000) * 7,
        PREFACE + (2**24 - 1).to_bytes(3, "big") + bytes(MAX_HELD_BYTES),
        PREFACE + frame(SETTINGS, 0, 0) * 9,
        PREFACE + frame(PING, 0, 0, bytes(8)) * (MAX_FRAMES + 1),
    ],
    ids=["HTTP/1", "headers", "long frame", "settings", "pings"],
)
def test_an_invalid_or_too_long_handshake_closes_the_connection(sent: bytes) -> None:
    with pytest.raises(HandshakeError):
        SettingsHandshake().feed(sent)
