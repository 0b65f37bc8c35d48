"""Creates a certificate authority for tests and a server certificate that it signs. Not here: servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """The paths of the PEM files."""

    authority: Path
    server: Path
    key: Path


def make_certificates(folder: Path, address: str = "127.0.0.1") -> Certificates:
    """Write a CA certificate, and a key and certificate for a server at `address`, to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    issued = authority.issue_cert(address)
    authority.cert_pem.write_to_path(str(written.authority))
    issued.cert_chain_pems[0].write_to_path(str(written.server))
    issued.private_key_pem.write_to_path(str(written.key))
    return written
