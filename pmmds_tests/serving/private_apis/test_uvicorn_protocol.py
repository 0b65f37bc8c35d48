"""uvicorn has the private members that the protocol classes use."""

from __future__ import annotations

import inspect
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS
from uvicorn.server import ServerState

from pmmds_serving.http.connection_limits import GuardedProtocol
from pmmds_serving.http.predict_protocol import DirectProtocol
from pmmds_serving.private_apis.uvicorn_protocol import (
    PROTOCOL_ATTRIBUTES,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
    select_protocol,
)


async def _application(_scope: Any, _receive: Any, _send: Any) -> None:
    """Never called."""


class _Loop:
    def time(self) -> float:
        return 0.0


def a_protocol() -> HttpToolsProtocol:
    config = uvicorn.Config(app=_application, lifespan="off")
    config.load()
    loop: Any = _Loop()
    return HttpToolsProtocol(config, ServerState(), {}, loop)


def test_a_new_protocol_has_every_attribute_that_is_used() -> None:
    protocol = a_protocol()
    missing = {name for name in PROTOCOL_ATTRIBUTES if not hasattr(protocol, name)}
    # The last two attributes exist once a connection is made.
    assert missing <= {"transport", "flow"}
    assert {"transport", "flow"} <= set(HttpToolsProtocol.__init__.__code__.co_names)


@pytest.mark.parametrize("protocol", [GuardedProtocol, DirectProtocol])
def test_every_overridden_method_has_uvicorns_parameters(protocol: type[HttpToolsProtocol]) -> None:
    overridden = [name for name in vars(protocol) if callable(getattr(HttpToolsProtocol, name, None))]
    assert "on_headers_complete" in dir(protocol)
    for name in overridden:
        ours, theirs = (list(inspect.signature(getattr(cls, name)).parameters) for cls in (protocol, HttpToolsProtocol))
        assert ours == theirs, name


def test_uvicorn_calls_the_overridden_methods_and_helpers() -> None:
    for name in ("_unset_keepalive_if_required", "on_message_begin", "on_header", "on_body", "shutdown"):
        assert callable(getattr(HttpToolsProtocol, name))
    assert "response_complete" in inspect.getsource(RequestResponseCycle.__init__)
    assert "response_started" in inspect.getsource(RequestResponseCycle.__init__)
    assert "keep_alive" in inspect.signature(RequestResponseCycle.__init__).parameters


def test_status_lines_are_bytes_and_server_state_has_counters() -> None:
    assert STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    state = ServerState()
    assert (state.total_requests, list(state.default_headers)) == (0, [])


def test_an_upgrade_stops_the_parser_with_the_offset_of_the_body() -> None:
    class Callbacks:
        def on_headers_complete(self) -> None: ...

    parser = httptools.HttpRequestParser(Callbacks())
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    head = b"POST / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as stopped:
        parser.feed_data(head + b"body")
    assert stopped.value.args[0] == len(head)


def test_uvicorn_loads_the_selected_protocol_without_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    monkeypatch.setitem(WS_PROTOCOLS, "auto", WS_PROTOCOLS["auto"])
    select_protocol(GuardedProtocol)
    config = uvicorn.Config(app=_application, lifespan="off")
    config.load()
    assert config.http_protocol_class is GuardedProtocol
    assert config.ws_protocol_class is None
