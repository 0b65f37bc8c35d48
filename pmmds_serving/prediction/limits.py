"""Size limits of one request; docs/limits.md lists them.

Not here: checking them (json_bounds.py, rpc/message_bounds.py), limits of connections
(http/connection_limits.py, rpc/server.py).
"""

from __future__ import annotations

PREDICT_BYTES, BATCH_BYTES, FEEDBACK_BYTES = 100_000, 4_000_000, 4_000_000
MAX_BATCH, MAX_FEEDBACK = 1000, 10_000
# Maximum number of features in a row that are not in the contract; each causes a warning.
MAX_UNKNOWN = 100
# Maximum number of JSON elements per label.
LABEL_ELEMENTS = 16


def row_elements(n_features: int) -> int:
    """Maximum number of commas, brackets and braces in one prediction request, with unknown features and strings."""
    return 8 * n_features + 1000


def batch_elements(n_features: int) -> int:
    """Like `row_elements`, but for a batch. For gRPC, it limits the number of bytes that can start a field."""
    return MAX_BATCH * (8 * n_features + 64)
