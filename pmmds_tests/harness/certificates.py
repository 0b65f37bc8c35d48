"""A certificate authority for tests, and a server's certificate that it signed; made by openssl. Keep out: servers."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    authority: Path
    server: Path
    key: Path


def make_certificates(folder: Path, address: str = "127.0.0.1") -> Certificates:
    """An authority and the certificate of a server at `address`, valid for a day."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key, request, extensions = folder / "ca.key", folder / "server.csr", folder / "server.ext"
    extensions.write_text(f"subjectAltName=IP:{address}\n")
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-x509", *ec, "-keyout", ca_key, "-out", made.authority, "-days", "1", "-subj", "/CN=Test CA")
    _openssl("req", *ec, "-keyout", made.key, "-out", request, "-subj", f"/CN={address}")
    signing: list[str | Path] = [
        "-CA",
        made.authority,
        "-CAkey",
        ca_key,
        "-CAcreateserial",
        "-days",
        "1",
        "-extfile",
        extensions,
    ]
    _openssl("x509", "-req", "-in", request, "-out", made.server, *signing)
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
