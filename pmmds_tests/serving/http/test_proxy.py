"""The service and a real nginx, which forwards upgrades and allows one path, parse requests in the same way."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.nginx import running_nginx
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.raw_requests import STREAMS, UPGRADES, Stream, asking_for
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import FEEDBACK, PREDICT, example, is_logged, new_id, predicted
from pmmds_tests.serving.http.test_feedback_endpoint import known_labels
from pmmds_tests.serving.http.test_predict_protocol import answers

pytestmark = [
    pytest.mark.process,
    pytest.mark.xdist_group("service"),
]

N_CLIENTS, N_REQUESTS = 2, 200

CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_buffer_size 1m; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ "" ""; default upgrade; }}
  upstream service {{ server 127.0.0.1:{service_port}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 8m;
    location = /api/v1/predict {{
      proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade; proxy_pass http://service;
    }}
    location / {{ return 403; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def proxy(shared_service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of an nginx in front of the shared service."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    configuration = CONFIG.format(folder=folder, port=port, service_port=shared_service.settings.http_port)
    with running_nginx(folder, configuration, port):
        yield "127.0.0.1", port


def smuggling(upgrade: bytes, inner: bytes, n_empty_lines: int) -> tuple[bytes, bytes]:
    """Return a prediction with a smuggled request in its body, after lines that some parsers skip."""
    body = b"\r\n" * n_empty_lines + inner
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: Upgrade\r\n"
    return head.encode() + b"Upgrade: %b\r\nContent-Length: %d\r\n\r\n" % (upgrade, len(body)), body


def inner_request(path: str, document: Any, request_id: str = "") -> bytes:
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: inner\r\nContent-Type: application/json\r\nX-Request-ID: {request_id}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("n_empty_lines", [0, 10_000])
def test_a_request_to_a_path_that_the_proxy_blocks_cannot_be_smuggled(
    proxy: tuple[str, int],
    service: RunningService,
    stores: Deployment,
    contract: Contract,
    upgrade: bytes,
    n_empty_lines: int,
) -> None:
    request_id = predicted(service.client, contract)
    url = f"http://127.0.0.1:{proxy[1]}{FEEDBACK}"
    refused = httpx.post(url, json={"items": []}, timeout=60, trust_env=False)
    assert refused.status_code == 403
    inner = inner_request(FEEDBACK, {"items": [{"request_id": request_id, "label": 1}]})
    with socket.create_connection(proxy, timeout=60) as client:
        for part in smuggling(upgrade, inner, n_empty_lines):
            client.sendall(part)
        assert answers(client, 1)[0][0] == 400
    later = predicted(service.client, contract)
    is_logged(stores, later)
    assert known_labels(stores, request_id) == {}


class Clients:
    """Normal clients of the proxy, and one that smuggles requests."""

    def __init__(self, proxy: tuple[str, int], contract: Contract) -> None:
        self._proxy, self._contract = proxy, contract
        self._stop = threading.Event()
        self.answered: list[str] = []
        self.wrong: list[str] = []
        self.attacker_got: set[int] = set()

    def run(self, smuggled_id: str) -> None:
        """Wait until all normal requests are answered."""
        attacker = threading.Thread(target=self._attack, args=(smuggled_id,))
        clients = [threading.Thread(target=self._ask) for _ in range(N_CLIENTS)]
        for thread in [*clients, attacker]:
            thread.start()
        for client in clients:
            client.join()
        self._stop.set()
        attacker.join()

    def _ask(self) -> None:
        url = f"http://127.0.0.1:{self._proxy[1]}{PREDICT}"
        with httpx.Client(timeout=60, trust_env=False) as client:
            for _ in range(N_REQUESTS):
                request_id = new_id()
                response = client.post(url, json=example(self._contract), headers={"X-Request-ID": request_id})
                if response.status_code != 200 or response.json()["request_id"] != request_id:
                    self.wrong.append(f"{request_id}: {response.text[:200]}")
                self.answered.append(request_id)

    def _attack(self, smuggled_id: str) -> None:
        inner = inner_request(PREDICT, example(self._contract), smuggled_id)
        while not self._stop.is_set():
            with socket.create_connection(self._proxy, timeout=60) as client:
                for part in smuggling(b"h2c", inner, 3000):
                    client.sendall(part)
                self.attacker_got.add(answers(client, 1)[0][0])


def test_no_client_gets_the_response_to_another_clients_request(
    proxy: tuple[str, int], stores: Deployment, contract: Contract
) -> None:
    smuggled_id, clients = new_id(), Clients(proxy, contract)
    clients.run(smuggled_id)
    assert clients.wrong == []
    assert clients.attacker_got == {400}
    assert len(clients.answered) == N_CLIENTS * N_REQUESTS
    is_logged(stores, *clients.answered)
    assert stores.prediction_log.find([smuggled_id]) == {}


@pytest.mark.parametrize("stream", [s for s in STREAMS if set(s.statuses) == {200}], ids=lambda stream: stream.name)
def test_upgrades_do_not_change_responses_behind_a_proxy(proxy: tuple[str, int], stream: Stream) -> None:
    def reported(data: bytes) -> list[Any]:
        with socket.create_connection(proxy, timeout=60) as client:
            client.sendall(data.replace(b"/echo", PREDICT.encode()))
            return answers_or_pages(client, len(stream.statuses))

    plain = reported(stream.data)
    assert len(plain) == len(stream.statuses)
    for upgrade in UPGRADES:
        assert reported(asking_for(stream.data, upgrade)) == plain


def answers_or_pages(client: socket.socket, n_answers: int) -> list[tuple[int, bytes]]:
    """Return status and body of the next responses, including nginx's own."""
    found = []
    with client.makefile("rb") as stream:
        for _ in range(n_answers):
            status, length = int(stream.readline().split()[1]), 0
            while (line := stream.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            found.append((status, stream.read(length)))
    return found
