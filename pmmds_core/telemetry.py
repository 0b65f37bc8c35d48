"""Logs: one JSON object a line, with the instant, level and logger first. Keep out: what is logged, and metrics.

Error lines never carry a customer's values: callers log an error's type and place, not its payload.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog


def configure_logging(level: str) -> None:
    """Send structlog's events to standard error as JSON lines, from `level` (debug, info, warning, error) on."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, _stamp, _to_json],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> Any:
    """A logger whose lines say `name`; configured when it first speaks."""
    return structlog.get_logger(logger_name=name)


def _stamp(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["logger"] = event.pop("logger_name", "pmmds")  # structlog keeps the word `logger` for itself
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")
    return event


def _to_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
