"""The numbers that bound what one request may hold; docs/limits.md lists them with those of connections.

Keep out: how they are checked (json_bounds.py, rpc/message_bounds.py), connections (http/connection_limits.py,
rpc/server.py).
"""

from __future__ import annotations

PREDICT_BYTES, BATCH_BYTES, FEEDBACK_BYTES = 100_000, 4_000_000, 4_000_000
MAX_BATCH, MAX_FEEDBACK = 1000, 10_000
# Features of one row that the contract does not name; each is a warning.
MAX_UNKNOWN = 100
# Values of one label's object.
LABEL_ELEMENTS = 16


def row_elements(n_features: int) -> int:
    """Commas, brackets and braces of one prediction's JSON: its features, unknown ones, and punctuation in texts."""
    return 8 * n_features + 1000


def batch_elements(n_features: int) -> int:
    """The same of a batch; over gRPC the bytes that can begin a field."""
    return MAX_BATCH * (8 * n_features + 64)
