"""The alternative in bench_grpc: a grpc.aio server that returns a constant response and stores nothing.

python -m benchmarks.grpc_peer ADDRESS
"""

from __future__ import annotations

import sys

import grpc
import uvloop

from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages

CONSTANT = messages.PredictResponse(
    request_id="0" * 32,
    prediction=1,
    probability=0.6123456789,
    model_name="churn-classifier",
    model_version="1",
    latency_ms=0.1,
)


async def predict(_: messages.PredictRequest, __: object) -> messages.PredictResponse:
    return CONSTANT


async def serve(address: str) -> None:
    server = grpc.aio.server()
    read, write = messages.PredictRequest.FromString, messages.PredictResponse.SerializeToString
    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(predict, read, write)}
    server.add_registered_method_handlers("pmmds.v1.PredictionService", handlers)  # like generated code
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
