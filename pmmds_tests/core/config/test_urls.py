"""URLs can be built from any path or host and parse back to the same path or host."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import load_settings
from pmmds_core.config.urls import authority, client_host, client_url, file_url, http_url, sqlite_url
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.backup import back_up

EVERY_IPV4 = str(IPv4Address(0))
NAMES = ["plain", "a%20b #c?d", "ü'q\"", "a&b=c;+,@:", "%", "file:x", "50%?"]


@pytest.mark.parametrize("name", NAMES)
def test_file_urls_parse_back_to_the_same_path(name: str) -> None:
    path = Path("/x") / name / "pmmds.db"
    assert sa.make_url(sqlite_url(path)).database == str(path)
    url = urlsplit(file_url(path))
    assert (url.scheme, url.netloc, unquote(url.path), url.query, url.fragment) == ("file", "", str(path), "", "")


def test_paths_without_special_characters_are_not_escaped_in_urls() -> None:
    assert sqlite_url(Path("/x/.pmmds/pmmds.db")) == "sqlite:////x/.pmmds/pmmds.db"


@pytest.mark.parametrize("name", NAMES)
def test_a_private_database_is_created_in_a_home_with_any_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    deployment = Deployment(load_settings({"PMMDS_HOME": str(home)})).prepare()
    deployment.database.ping()
    assert deployment.database.file == home / "pmmds.db"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    backup = tmp_path / "backup.db"
    back_up(deployment.database, backup)
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM ground_truth").fetchone() == (0,)


@pytest.mark.parametrize("name", ["a%20b #c?d", "plain"])
def test_mlflow_creates_its_database_in_a_home_with_any_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    registry = Deployment(load_settings({"PMMDS_HOME": str(home)})).prepare().registry
    registry.experiment_id("test")
    assert (home / "mlflow.db").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("host", "listening", "client"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/", "http://127.0.0.1:80/"),
        (EVERY_IPV4, f"http://{EVERY_IPV4}:80/", "http://127.0.0.1:80/"),
        ("::", "http://[::]:80/", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/", "http://[::1]:80/"),
        ("fd00::5", "http://[fd00::5]:80/", "http://[fd00::5]:80/"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:80/", "http://[fe80::1%25eth0]:80/"),
        ("pmmds.example", "http://pmmds.example:80/", "http://pmmds.example:80/"),
    ],
)
def test_client_urls_replace_wildcard_addresses_with_loopback_addresses(host: str, listening: str, client: str) -> None:
    assert http_url(host, 80, "/") == listening
    assert client_url(host, 80, "/") == client
    assert unquote(urlsplit(client).hostname or "") == client_host(host)


def test_ipv6_addresses_are_bracketed_in_grpc_authorities() -> None:
    assert [authority(host, 1) for host in ("127.0.0.1", "::1")] == ["127.0.0.1:1", "[::1]:1"]


def test_allowed_hosts_can_be_ipv6_addresses() -> None:
    settings = load_settings({"PMMDS_WEB_ALLOWED_HOSTS": "[fd00::5], pmmds.example, [fd00::6]:3000"})
    assert settings.web_hosts("::") == {"fd00::5", "pmmds.example", "[fd00::6]:3000"}


def test_no_other_module_builds_urls_from_paths_or_hosts() -> None:
    """Search every package for f-strings such as `http://{host}…`, `sqlite:///{path}` and `file://{path}`."""
    root = Path(__file__).parents[3]
    pasted = re.compile(r"(https?|sqlite|file):/+\{(?!authority)")
    files = [f for package in ("core", "cli", "serving", "assets") for f in (root / f"pmmds_{package}").rglob("*.py")]
    found = [f.name for f in files if pasted.search(f.read_text(encoding="utf-8"))]
    assert len(files) > 100
    assert found == []
