"""The size limits of a request, which are listed in docs/limits.md.

Not here: checking them (json_bounds.py, rpc/message_bounds.py), limits of connections (http/connection_limits.py,
rpc/server.py).
"""

from __future__ import annotations

PREDICT_BYTES, BATCH_BYTES, FEEDBACK_BYTES = 100_000, 4_000_000, 4_000_000
MAX_BATCH, MAX_FEEDBACK = 1000, 10_000
# The maximum number of features in a row that are not in the contract. Each of them causes a warning.
MAX_UNKNOWN = 100
# The maximum number of JSON elements per label.
LABEL_ELEMENTS = 16


def row_elements(n_features: int) -> int:
    """Return the maximum number of commas, brackets and braces in a prediction request.

    Unknown features and strings are included.
    """
    return 8 * n_features + 1000


def batch_elements(n_features: int) -> int:
    """Return the same maximum as `row_elements`, but for a batch.

    For gRPC, it limits the number of bytes that can start a field.
    """
    return MAX_BATCH * (8 * n_features + 64)
