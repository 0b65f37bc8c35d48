"""A real collector receives spans. Without tracing, OpenTelemetry is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import SettingError
from pmmds_serving import launch
from pmmds_serving.application import build_app
from pmmds_serving.generated.pmmds.v1.prediction_pb2 import PredictRequest
from pmmds_tests.harness.grpc_requests import stub_of
from pmmds_tests.harness.otlp_receiver import Receiver, receiving
from pmmds_tests.harness.ports import free_port, free_ports
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import BATCH, JSON, PREDICT, example, rows

PROCESS = [pytest.mark.process, pytest.mark.xdist_group("service")]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def traced(
    prepared: Callable[..., dict[str, str]], receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    environment = prepared(tmp_path_factory.mktemp("traced") / "home", PMMDS_OTLP_ENDPOINT=receiver.url)
    # By default, the exporter uses the environment's proxies and sends every 5 s.
    own = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running_service({**environment, **own}) as service:
        yield service


def test_opentelemetry_is_not_imported_when_tracing_is_off() -> None:
    code = (
        "import json, sys\n"
        "import pmmds_serving.application, pmmds_serving.worker\n"
        "import pmmds_serving.rpc.server, pmmds_core.runtime.json_logs\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('opentelemetry')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_bentoml_loads_no_exporter_when_tracing_is_off() -> None:
    code = (
        "import json, sys; import pmmds_serving.service\n"
        "unwanted = ('opentelemetry.exporter', 'opentelemetry.sdk', 'pmmds_serving.tracing')\n"
        "print(json.dumps([m for m in sys.modules if m.startswith(unwanted)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_predictions_are_not_wrapped_when_tracing_is_off() -> None:
    predict = build_app(lambda: pytest.fail("nothing is opened before it runs")).state.predict
    assert predict.answer == predict._answer


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://"])
def test_an_invalid_otlp_endpoint_is_a_setting_error(endpoint: str) -> None:
    with pytest.raises(SettingError, match=r"PMMDS_OTLP_ENDPOINT=.*expected a URL such as http://localhost:4318"):
        load_settings({"PMMDS_OTLP_ENDPOINT": endpoint})


def test_missing_opentelemetry_prevents_startup_and_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_TRACING_MODULES", ("opentelemetry.sdk.trace", "opentelemetry_is_not_here.trace"))
    http_port, grpc_port = free_ports(2)
    environment = {
        "PMMDS_HOME": str(tmp_path),
        "PMMDS_HTTP_PORT": str(http_port),
        "PMMDS_GRPC_PORT": str(grpc_port),
    }
    launch.check_before_serving(load_settings(environment))
    with pytest.raises(SettingError, match=r"not installed.*pip install 'pmmds\[tracing\]'"):
        launch.check_before_serving(load_settings({**environment, "PMMDS_OTLP_ENDPOINT": "http://localhost:4318"}))


def trace_of(service: RunningService, request_id: str) -> str:
    """Return the trace id in the log line of a prediction."""

    def lines() -> list[str]:
        return [x for x in service.lines if f'"request_id":"{request_id}"' in x and "prediction_completed" in x]

    wait_until(lambda: lines() != [])
    (line,) = lines()
    return str(json.loads(line)["trace_id"])


class TestTracedService:
    """These tests need a running service and a running collector."""

    pytestmark = PROCESS

    def test_prediction_span_is_a_child_and_its_log_line_has_the_trace_id(
        self, traced: RunningService, receiver: Receiver, contract: Contract
    ) -> None:
        answer = traced.client.post(PREDICT, json=example(contract), headers=PARENT).json()
        wait_until(lambda: len(receiver.of_trace(TRACE)) == 1)
        (span,) = receiver.of_trace(TRACE)
        assert (span.name, span.parent_id, span.status) == (f"POST {PREDICT}", SPAN, 0)
        assert span.attributes == {
            "http.request.method": "POST",
            "http.route": PREDICT,
            "http.response.status_code": 200,
            "pmmds.model.name": "churn-classifier",
            "pmmds.model.version": "1",
            "pmmds.rows": 1,
        }
        assert trace_of(traced, answer["request_id"]) == TRACE

    def test_batches_errors_and_grpc_calls_have_spans(
        self, traced: RunningService, receiver: Receiver, contract: Contract
    ) -> None:
        traced.client.post(BATCH, json={"instances": rows(contract, 7)})
        traced.client.post(PREDICT, json={"features": {}})
        traced.client.get("/ready")
        with stub_of(traced.settings) as stub, pytest.raises(grpc.RpcError):
            stub.Predict(PredictRequest(), metadata=(("traceparent", f"00-{'a' * 32}-{SPAN}-01"),))

        def found(name: str) -> set[tuple[int, int]]:
            spans = [s.attributes for s in receiver.spans if s.name == name]
            return {(a.get("http.response.status_code", 0), a.get("pmmds.rows", 0)) for a in spans}

        wait_until(lambda: (200, 7) in found(f"POST {BATCH}"))
        wait_until(lambda: (400, 0) in found(f"POST {PREDICT}"))
        wait_until(lambda: (200, 0) in found("GET /ready"))
        wait_until(lambda: len(receiver.of_trace("a" * 32)) == 1)
        assert receiver.of_trace("a" * 32)[0].attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"

    def test_an_invalid_traceparent_starts_a_new_trace(
        self, traced: RunningService, receiver: Receiver, contract: Contract
    ) -> None:
        answer = traced.client.post(PREDICT, json=example(contract), headers={"traceparent": "00-zz-yy-01"})
        assert answer.status_code == 200
        trace_id = trace_of(traced, answer.json()["request_id"])
        wait_until(lambda: len(receiver.of_trace(trace_id)) == 1)
        assert receiver.of_trace(trace_id)[0].parent_id == ""

    def test_an_unsampled_client_trace_sends_no_span(
        self, traced: RunningService, receiver: Receiver, contract: Contract
    ) -> None:
        unwanted, wanted = "b" * 32, "c" * 32
        for trace_id, flag in ((unwanted, "00"), (wanted, "01")):
            headers = {"traceparent": f"00-{trace_id}-{SPAN}-{flag}"}
            assert traced.client.post(PREDICT, json=example(contract), headers=headers).status_code == 200
        wait_until(lambda: receiver.of_trace(wanted) != [])
        assert receiver.of_trace(unwanted) == []

    def test_no_span_contains_customer_data(
        self, traced: RunningService, receiver: Receiver, contract: Contract
    ) -> None:
        mark = {**contract.example(), "contract": "Zanzibar-4711"}
        trace_id = "d" * 32
        headers = {"traceparent": f"00-{trace_id}-{SPAN}-01"}
        traced.client.post(PREDICT, json={"features": mark}, headers=headers)
        traced.client.post(PREDICT, content=b'{"features": {"contract": "Zanzibar-4711"', headers={**JSON, **headers})
        wait_until(lambda: len(receiver.of_trace(trace_id)) == 2)
        for secret in (b"Zanzibar", b"Month-to-month", b"Fiber optic"):
            assert not [body for body in receiver.raw if secret in body]

    def test_an_unavailable_collector_affects_neither_responses_nor_shutdown(
        self, prepared: Callable[..., dict[str, str]], contract: Contract, tmp_path: Path
    ) -> None:
        environment = prepared(tmp_path / "home", PMMDS_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
        with running_service({**environment, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}) as service:
            for _ in range(20):
                assert service.client.post(PREDICT, json=example(contract)).status_code == 200
            assert service.stop() == 0
