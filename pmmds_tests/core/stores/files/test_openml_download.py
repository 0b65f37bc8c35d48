"""`pmmds data download` against a local HTTP server that imitates OpenML's API."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, OpenML, load_contract
from pmmds_core.data.digests import unordered_digest
from pmmds_core.errors import DataError, HomeNotWritableError, PmmdsError, UsageError
from pmmds_core.stores.files.openml_download import download
from pmmds_core.stores.files.reference_source import downloaded_path, load_reference
from pmmds_core.synthetic.generator import packaged_generator

CONTRACT = load_contract("")
N_ROWS = 240
URLS = {
    "_SEARCH_NAME": "/api/v1/json/data/list/data_name/{}/limit/2",
    "_DATA_INFO": "/api/v1/json/data/{}",
    "_DATA_FEATURES": "/api/v1/json/data/features/{}",
    "_DATA_QUALITIES": "/api/v1/json/data/qualities/{}",
}


@dataclass
class OpenMLStandIn:
    """A fake OpenML API with one data set. `status` applies to every response; `paths` lists the requested paths."""

    name: str
    features: list[dict[str, str]]
    arff: bytes
    status: int = 200
    md5: str = ""
    missing: tuple[str, ...] = ()
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        self.paths.append(path)
        if self.status != 200:
            return self.status, b"{}"
        if path.startswith("/data/v1/download/"):
            return 200, self.arff
        found = self._json(path)
        return (412, b'{"error": {"code": "372", "message": "No results"}}') if found is None else (200, found)

    def _json(self, path: str) -> bytes | None:
        known = {
            rf"/api/v1/json/data/list/data_name/{self.name}/limit/2/(data_version/1|status/active/)": {
                "data": {"dataset": [{"did": 7, "name": self.name, "version": 1, "status": "active"}]}
            },
            r"/api/v1/json/data/7": {"data_set_description": self._description()},
            r"/api/v1/json/data/features/7": {"data_features": {"feature": self.features}},
            r"/api/v1/json/data/qualities/7": {
                "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(N_ROWS)}]}
            },
        }
        return next((json.dumps(content).encode() for p, content in known.items() if re.fullmatch(p, path)), None)

    def _description(self) -> dict[str, str]:
        described = {
            "id": "7",
            "name": self.name,
            "version": "1",
            "format": "ARFF",
            "status": "active",
            "description": "a stand-in",
            "url": f"{self.url}/data/v1/download/9/{self.name}.arff",
            "md5_checksum": self.md5 or hashlib.md5(self.arff, usedforsecurity=False).hexdigest(),
        }
        return {key: value for key, value in described.items() if key not in self.missing}


def column_type(column: str) -> str:
    if column in {"SeniorCitizen", "tenure", "MonthlyCharges"}:
        return "numeric"
    return "string" if column in {"TotalCharges", "PaymentMethod"} else "nominal"


def telco_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the format of the public file: its column names, Yes and No, and a blank for missing charges."""
    renamed = frame.rename(columns={f.name: f.source for f in CONTRACT.features} | {"churn": "Churn"})
    total = renamed["TotalCharges"].map(lambda charged: " " if charged == 0 else repr(charged))
    return renamed.assign(Churn=renamed["Churn"].map({1: "Yes", 0: "No"}), TotalCharges=total)


def arff_of(frame: pd.DataFrame) -> bytes:
    """Return the rows in ARFF (Attribute-Relation File Format), with text that contains spaces in single quotes."""

    def cell(value: Any) -> str:
        text = str(value)
        return f"'{text}'" if " " in text else text

    kinds = {"numeric": "NUMERIC", "string": "STRING"}
    lines = ["% Telco Customer Churn", "@RELATION telco"]
    for column in frame.columns:
        values = "{" + ",".join(map(cell, sorted(set(frame[column])))) + "}"
        lines.append(f"@ATTRIBUTE {column} {kinds.get(column_type(column), values)}")
    lines.append("@DATA")
    lines += [",".join(map(cell, row)) for row in frame.itertuples(index=False)]
    return ("\n".join(lines) + "\n").encode()


def features_of(frame: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "index": str(i),
            "name": column,
            "data_type": column_type(column),
            "is_target": str(column == "Churn").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for i, column in enumerate(frame.columns)
    ]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    frame = packaged_generator().sample(N_ROWS, seed=4)
    assert (frame["total_charges"] == 0).any()
    return frame


@pytest.fixture
def wanted(rows: pd.DataFrame) -> Contract:
    """The packaged contract with the digest of the fake server's rows."""
    openml = OpenML("telco-customer-churn", 1, unordered_digest(rows))
    return msgspec.structs.replace(CONTRACT, openml=openml)


@pytest.fixture
def server(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenMLStandIn]:
    """A fake OpenML server on a free local port, which scikit-learn is configured to use."""
    frame = telco_columns(rows)
    stand_in = OpenMLStandIn("telco-customer-churn", features_of(frame), arff_of(frame))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = stand_in.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing, because the tests check `paths` instead."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        stand_in.url = f"http://127.0.0.1:{http.server_port}"
        ask_at(stand_in.url, monkeypatch)
        yield stand_in
        http.shutdown()
        thread.join()


def ask_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, path in URLS.items():
        monkeypatch.setattr(f"sklearn.datasets._openml.{constant}", url + path)


def refused(contract: Contract, home: Path, kind: type[PmmdsError] = DataError) -> PmmdsError:
    """Return the error of a failed download, and check that the download leaves no file."""
    with pytest.raises(kind) as refusal:
        download(contract, home, timeout_seconds=60.0)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert "\n" not in refusal.value.message
    return refusal.value


def test_a_download_is_verified_and_saved_and_used_as_reference_data(
    server: OpenMLStandIn, wanted: Contract, rows: pd.DataFrame, tmp_path: Path
) -> None:
    result = download(wanted, tmp_path)
    assert (result.n_rows, result.path, result.is_verified) == (N_ROWS, downloaded_path(tmp_path, wanted), True)
    source = load_reference(Settings(home=str(tmp_path)), wanted)
    assert source.kind == "downloaded"
    assert str(result.path) in source.description
    pd.testing.assert_frame_equal(source.data.frame, rows)
    assert unordered_digest(source.data.frame) == result.digest
    assert server.paths[0] == "/api/v1/json/data/list/data_name/telco-customer-churn/limit/2/data_version/1"


def test_a_second_download_replaces_the_file_of_the_first(
    server: OpenMLStandIn, wanted: Contract, tmp_path: Path
) -> None:
    first = download(wanted, tmp_path)
    content = first.path.read_bytes()
    first.path.write_text("half a file", encoding="utf-8")
    again = download(wanted, tmp_path)
    assert again.path.read_bytes() == content
    assert [path.name for path in again.path.parent.iterdir()] == ["telco_churn.csv"]


def test_the_active_version_of_a_data_set_can_be_requested(
    server: OpenMLStandIn, wanted: Contract, tmp_path: Path
) -> None:
    assert wanted.openml is not None
    active = msgspec.structs.replace(wanted, openml=msgspec.structs.replace(wanted.openml, version="active"))
    assert download(active, tmp_path).n_rows == N_ROWS
    assert server.paths[0].endswith("/status/active/")


def test_rows_with_an_unexpected_digest_are_rejected(server: OpenMLStandIn, wanted: Contract, tmp_path: Path) -> None:
    assert wanted.openml is not None
    expected = wanted.openml.content_sha256
    old = downloaded_path(tmp_path / "earlier", wanted)
    server.arff = server.arff.replace(b"Month-to-month", b"'Two year'", 2)
    message = refused(wanted, tmp_path / "new").message
    assert expected in message
    assert len(re.findall(r"\b[0-9a-f]{64}\b", message)) == 2
    old.parent.mkdir(parents=True)
    old.write_text("an earlier download", encoding="utf-8")
    with pytest.raises(DataError, match="does not have the content"):
        download(wanted, tmp_path / "earlier")
    assert old.read_text(encoding="utf-8") == "an earlier download"


def test_the_actual_digest_is_reported_if_the_contract_has_none(
    server: OpenMLStandIn, wanted: Contract, rows: pd.DataFrame, tmp_path: Path
) -> None:
    unknown = msgspec.structs.replace(wanted, openml=OpenML("telco-customer-churn", 1))
    result = download(unknown, tmp_path)
    assert (result.digest, result.is_verified) == (unordered_digest(rows), False)


def test_a_contract_without_a_public_data_set_is_reported(tmp_path: Path) -> None:
    refusal = refused(msgspec.structs.replace(CONTRACT, openml=None), tmp_path, UsageError)
    assert "PMMDS_DATA_PATH" in refusal.next_step


def test_an_unreachable_openml_server_is_reported(
    monkeypatch: pytest.MonkeyPatch, wanted: Contract, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # The port is bound but not listening, so connections are refused.
        ask_at(f"http://127.0.0.1:{taken.getsockname()[1]}", monkeypatch)
        refusal = refused(wanted, tmp_path)
    assert "the server cannot be reached" in refusal.message
    assert "PMMDS_DATA_PATH" in refusal.next_step


def test_a_request_to_an_unresponsive_openml_server_times_out(
    monkeypatch: pytest.MonkeyPatch, wanted: Contract, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ask_at(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        with pytest.raises(DataError, match="did not respond in time"):
            download(wanted, tmp_path, timeout_seconds=0.2)
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_openml_server_error_is_reported_with_its_status(
    server: OpenMLStandIn, wanted: Contract, tmp_path: Path, status: int
) -> None:
    server.status = status
    assert f"the server returned {status}" in refused(wanted, tmp_path).message


def test_a_data_set_missing_on_openml_is_reported(server: OpenMLStandIn, wanted: Contract, tmp_path: Path) -> None:
    server.name = "something-else"
    assert "Dataset telco-customer-churn with version 1 not found" in refused(wanted, tmp_path).message


def test_a_damaged_download_is_rejected(server: OpenMLStandIn, wanted: Contract, tmp_path: Path) -> None:
    server.md5 = "0" * 32
    assert "md5 checksum" in refused(wanted, tmp_path).message


def test_an_unexpected_response_is_rejected(server: OpenMLStandIn, wanted: Contract, tmp_path: Path) -> None:
    server.missing = ("url",)
    assert "has no 'url'" in refused(wanted, tmp_path).message


def test_the_error_for_rows_that_violate_the_contract_states_their_number(
    server: OpenMLStandIn, wanted: Contract, tmp_path: Path
) -> None:
    head, mark, data = server.arff.partition(b"@DATA\n")
    server.arff = head + mark + data.replace(b"'Fiber optic'", b"'Carrier pigeon'", 3)
    with pytest.raises(DataError, match="InternetService") as refusal:
        download(wanted, tmp_path)
    assert "3 values are not among the allowed values" in refusal.value.message
    assert list(tmp_path.rglob("*.csv")) == []


def test_a_home_path_that_is_a_file_is_reported(server: OpenMLStandIn, wanted: Contract, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("", encoding="utf-8")
    with pytest.raises(HomeNotWritableError, match="cannot be written"):
        download(wanted, tmp_path / "home")
