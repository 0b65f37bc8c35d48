"""Only files listed in a version's manifest are downloaded, and their size is limited during the download."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pmmds_core.errors import ArtifactCorruptError, PmmdsError, RegistryUnavailableError
from pmmds_core.models.bundle_files import GOLDEN, MANIFEST, MAX_FILES, PROFILE, SCORER
from pmmds_core.stores.artifacts import bounded_download
from pmmds_core.stores.artifacts.model_registry import ModelRegistry
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving, register_bundle

BOUND = 3_000_000
LISTED = (SCORER, GOLDEN, PROFILE)


def manifest(names: tuple[str, ...] = LISTED) -> bytes:
    about = {"model_name": "m", "scorer_kind": "x", "contract_digest": "", "feature_names": [], "metrics": {}}
    return json.dumps({**about, "files": dict.fromkeys(names, "0" * 64)}).encode()


def bundle(folder: Path, names: tuple[str, ...] = LISTED) -> Path:
    """Create a bundle with listed files of 1,000 bytes and additional files that are not listed."""
    (folder / "deep").mkdir(parents=True)
    (folder / MANIFEST).write_bytes(manifest(names))
    for name in (*LISTED, "unlisted.bin", "deep/file.bin"):
        (folder / name).write_bytes(b"x" * 1000)
    return folder


@pytest.fixture(scope="module", params=["folder", pytest.param("server", marks=pytest.mark.process)])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    """An MLflow registry in a local folder or on an MLflow server."""
    home = tmp_path_factory.mktemp("registry")
    if request.param == "folder":
        yield ModelRegistry(f"sqlite:///{home / 'mlflow.db'}", (home / "artifacts").as_uri())
        return
    with mlflow_serving(MlflowServer(home)) as server:
        yield ModelRegistry(server.uri)


def test_files_that_are_not_in_the_manifest_are_not_downloaded(registry: ModelRegistry, tmp_path: Path) -> None:
    version = register_bundle(registry, "m", bundle(tmp_path / "made"), "")
    fetched = registry.download_bundle("m", version, tmp_path / "cache" / version)
    assert sorted(p.name for p in fetched.iterdir()) == sorted([*LISTED, MANIFEST])
    assert [p.name for p in fetched.parent.iterdir()] == [version]
    assert registry.files_digest("m", version)


def test_listed_files_above_the_size_limit_are_rejected(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register_bundle(registry, "m", bundle(tmp_path / "made"), "")
    monkeypatch.setattr(bounded_download, "MAX_BYTES", len(manifest()) + 2999)
    with pytest.raises(ArtifactCorruptError, match=f"{PROFILE} exceeds the remaining limit of 999 bytes"):
        registry.download_bundle("m", version, tmp_path / "cache" / version)
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(bounded_download, "MAX_BYTES", len(manifest()) + 3000)
    assert registry.download_bundle("m", version, tmp_path / "cache" / version).is_dir()


@pytest.mark.parametrize(
    "names", [(*LISTED, "../evil"), ("a",), tuple(str(i) for i in range(MAX_FILES + 1))], ids=["path", "few", "many"]
)
def test_no_files_are_downloaded_if_the_manifest_is_invalid(
    registry: ModelRegistry, tmp_path: Path, names: tuple[str, ...]
) -> None:
    version = register_bundle(registry, "m", bundle(tmp_path / "made", names), "")
    with pytest.raises(ArtifactCorruptError, match="manifest"):
        registry.download_bundle("m", version, tmp_path / "cache" / version)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_version_without_files_is_reported(registry: ModelRegistry, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "other").write_bytes(b"x")
    version = register_bundle(registry, "m", tmp_path / "made", "")
    with pytest.raises(RegistryUnavailableError, match=MANIFEST):
        registry.download_bundle("m", version, tmp_path / "cache" / version)


class Sender(http.server.BaseHTTPRequestHandler):
    """An MLflow server with one version, its run and a manifest. One file of the version is endless."""

    protocol_version = "HTTP/1.1"
    how = ""
    n_sent = 0

    def do_GET(self) -> None:
        version = {"name": "m", "version": "1", "creation_timestamp": 1, "run_id": "a" * 32, "tags": []}
        run = {"info": {"run_id": "a" * 32, "artifact_uri": "mlflow-artifacts:/1/a"}, "data": {}}
        if "/mlflow/" in self.path:
            self._answer(json.dumps({"model_version": version, "run": run}).encode())
        elif self.path.endswith(MANIFEST):
            self._answer(manifest())
        else:
            self._send_file()

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self) -> None:
        self.send_response(200)
        headers = {
            "chunked": ("Transfer-Encoding", "chunked"),
            "until the end": ("Connection", "close"),
            "long": ("Content-Length", str(10**12)),
            "gzip": ("Content-Encoding", "gzip"),
        }
        self.send_header(*headers[self.how])
        self.end_headers()
        piece = gzip.compress(b"0" * 10**8) if self.how == "gzip" else b"0" * 100_000
        piece = b"%x\r\n%s\r\n" % (len(piece), piece) if self.how == "chunked" else piece
        self.close_connection = True
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(piece)
                type(self).n_sent += len(piece)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def sending(how: str) -> Iterator[tuple[str, type[Sender]]]:
    handler = type("Handler", (Sender,), {"how": how})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("how", ["chunked", "until the end", "long", "gzip"])
def test_the_download_of_an_endless_file_stops_at_the_size_limit(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_download, "MAX_BYTES", BOUND)
    with sending(how) as (uri, sender):
        with pytest.raises(PmmdsError, match=r"exceeds the remaining limit|compressed the model file") as caught:
            ModelRegistry(uri).download_bundle("m", "1", tmp_path / "cache" / "1")
        assert isinstance(caught.value, ArtifactCorruptError)
    # Bytes that were sent but not read are still in the socket buffers.
    assert sender.n_sent < BOUND + 20_000_000
    assert list((tmp_path / "cache").iterdir()) == []
