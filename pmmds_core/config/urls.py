"""Builds URLs from paths, hosts and ports. All other modules use these functions for this purpose.

Not here: parsing the URL of a setting (stores/database/urls.py), Host headers (runtime/web_requests.py).
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import quote


def sqlite_url(file: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file. Characters such as %, ?, # and spaces are escaped."""
    escaped = quote(str(file))
    # For the scheme `sqlite`, and only for this scheme, MLflow would create a folder with the escaped name.
    scheme = "sqlite" if escaped == str(file) else "sqlite+pysqlite"
    return f"{scheme}:///{escaped}"


def file_url(path: Path) -> str:
    """Return the `file:` URL of an absolute path."""
    return "file://" + quote(str(path))


def authority(host: str, port: int) -> str:
    """Return the host and port as used for gRPC and in messages, such as `127.0.0.1:8000` or `[::1]:8000`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def http_url(host: str, port: int, path: str = "") -> str:
    """Return the URL of a server at the address it listens on.

    `path` is empty or begins with a slash. It is escaped in the URL.
    """
    return f"http://{authority(host.replace('%', '%25'), port)}{path}"  # a zone id begins with %25 (RFC 6874)


def client_url(host: str, port: int, path: str = "") -> str:
    """Return the URL for a client on the same machine, with loopback in place of the wildcard addresses."""
    return http_url(client_host(host), port, path)


def client_host(host: str) -> str:
    """Return the address at which a client on the same machine can reach a server that listens on `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "::1" if ":" in host else "127.0.0.1"
