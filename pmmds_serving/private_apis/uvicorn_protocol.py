"""uvicorn's HTTP protocol based on httptools: the classes that http/ extends and the table that selects a protocol.

Not here: connection limits (http/connection_limits.py), predictions (http/predict_protocol.py). The classes there
override methods of `HttpToolsProtocol` and use the attributes in `PROTOCOL_ATTRIBUTES`.
"""

from __future__ import annotations

from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["STATUS_LINE", "HttpToolsProtocol", "RequestResponseCycle", "select_protocol"]

# Attributes that uvicorn sets in `__init__`, before `connection_made` is called.
PROTOCOL_ATTRIBUTES = frozenset(
    {
        "access_log",
        "app",
        "connections",
        "cycle",
        "expect_100_continue",
        "flow",
        "headers",
        "loop",
        "parser",
        "pipeline",
        "server_state",
        "timeout_keep_alive",
        "timeout_keep_alive_task",
        "transport",
    }
)


def select_protocol(protocol: type[HttpToolsProtocol]) -> None:
    """Use `protocol` in every uvicorn server of this process that leaves the choice to uvicorn; disable WebSockets.

    BentoML starts uvicorn with the protocol "auto" and has no setting for it.
    """
    WS_PROTOCOLS["auto"] = None
    HTTP_PROTOCOLS["auto"] = f"{protocol.__module__}:{protocol.__name__}"
