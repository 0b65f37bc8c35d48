"""Size limits of one request; docs/limits.md lists them.

Not here: checking them (json_bounds.py, rpc/message_bounds.py), limits of connections
(http/connection_limits.py, rpc/server.py).
"""

from __future__ import annotations

PREDICT_BYTES, BATCH_BYTES, FEEDBACK_BYTES = 100_000, 4_000_000, 4_000_000
MAX_BATCH, MAX_FEEDBACK = 1000, 10_000
# Features of one row that are not in the contract; each causes a warning.
MAX_UNKNOWN = 100
# JSON elements of one label.
LABEL_ELEMENTS = 16


def row_elements(n_features: int) -> int:
    """Maximum number of commas, brackets and braces of one prediction, including unknown features and strings."""
    return 8 * n_features + 1000


def batch_elements(n_features: int) -> int:
    """The same for a batch; over gRPC the number of bytes that can start a field."""
    return MAX_BATCH * (8 * n_features + 64)
