"""gRPC works through a real nginx, which sends calls before it acknowledges the server's SETTINGS."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_tests.harness.grpc_requests import SECONDS, batch_request, predict_request
from pmmds_tests.harness.nginx import running_nginx
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import rows

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream service {{ server 127.0.0.1:{grpc_port}; {keepalive} }}
  server {{ listen 127.0.0.1:{port} http2; client_max_body_size 8m; location / {{ grpc_pass grpc://service; }} }}
}}
"""


@pytest.fixture(params=["", "keepalive 4;"], ids=["a connection for each call", "kept connections"])
def stub(
    request: pytest.FixtureRequest, shared_service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PredictionServiceStub]:
    """A client of an nginx in front of the shared service."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    grpc_port = shared_service.settings.grpc_port
    configuration = CONFIG.format(folder=folder, port=port, grpc_port=grpc_port, keepalive=request.param)
    with running_nginx(folder, configuration, port), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield PredictionServiceStub(channel)


def test_calls_through_nginx_are_answered(stub: PredictionServiceStub, contract: Contract) -> None:
    metadata = tuple((f"header-{i}", "v" * 200) for i in range(10))
    for _ in range(50):
        answer = stub.Predict(predict_request(contract.example()), timeout=SECONDS, metadata=metadata)
        assert 0 <= answer.probability <= 1
    batch = stub.PredictBatch(batch_request(*rows(contract, 500)), timeout=SECONDS)
    assert len(batch.predictions) == 500
