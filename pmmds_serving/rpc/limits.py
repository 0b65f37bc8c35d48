"""Limits of the gRPC server: concurrent calls, streams, connection age, metadata and message sizes.

Not here: sizes that HTTP shares (prediction/limits.py), elements of a message (message_bounds.py),
connections (process/descriptors.py).
"""

from __future__ import annotations

from pmmds_serving.prediction.limits import BATCH_BYTES, PREDICT_BYTES

# Maximum number of concurrent calls per method; further messages are not read until a call ends.
MAX_AT_ONCE = {"Predict": 32, "PredictBatch": 8, "SendFeedback": 4, "GetModel": 8}
MAX_RPCS, MAX_STREAMS = 512, 128
IDLE_SECONDS, AGE_SECONDS, AGE_GRACE_SECONDS = 60, 600, 30

METADATA_BYTES = 8192
SERVER_OPTIONS = (
    # Slightly above the service's own limit, so that clients get the service's error message, not gRPC's.
    ("grpc.max_receive_message_length", BATCH_BYTES + PREDICT_BYTES),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_connection_idle_ms", 1000 * IDLE_SECONDS),
    ("grpc.max_connection_age_ms", 1000 * AGE_SECONDS),
    ("grpc.max_connection_age_grace_ms", 1000 * AGE_GRACE_SECONDS),
    # Calls with larger metadata are rejected while the metadata is being read.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
    # Otherwise a fast sender increases the flow-control window and thus the buffers of all streams, even unread ones.
    ("grpc.http2.bdp_probe", 0),
)
