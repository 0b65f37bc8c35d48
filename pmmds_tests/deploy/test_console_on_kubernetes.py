"""The console in the manifests requires a sign-in, reaches only what it needs, and publishes messages like Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from pmmds_console.access import check_access, is_open
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.errors import SettingError
from pmmds_tests.deploy.manifests import EXAMPLE_SECRETS, containers, of_kind, pod_templates, resources
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

NAME = "pmmds-console"


def variables(folder: Path) -> dict[str, str]:
    """Return the container's variables with the example's secrets, but with SQLite and a token."""
    (container,) = [c for name, c in containers() if name == NAME]
    secrets = {s["metadata"]["name"]: s["stringData"] for s in resources(EXAMPLE_SECRETS)}
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            found |= of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"]
        else:
            found |= secrets[source["secretRef"]["name"]]
    found |= {e["name"]: e["value"] for e in container["env"]}
    return found | {"PMMDS_DATABASE_URL": "", "PMMDS_ADMIN_TOKEN": "a-token-for-this-test", "PMMDS_HOME": str(folder)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(variables(tmp_path))


def test_console_requires_a_sign_in_and_secure_cookies(settings: Settings) -> None:
    assert settings.console_sign_in == "users"
    assert settings.console_cookie_secure == "on"
    assert not is_open(settings)
    check_access(settings)


def test_console_with_sign_in_off_and_no_token_does_not_start(settings: Settings) -> None:
    with pytest.raises(SettingError, match="not a loopback address, sign-in is off"):
        check_access(msgspec.structs.replace(settings, console_sign_in="off", admin_token=""))


def test_a_sign_in_method_without_its_settings_does_not_start(settings: Settings) -> None:
    for method, missing in (("proxy", "PMMDS_CONSOLE_TRUSTED_PROXIES"), ("oidc", "PMMDS_CONSOLE_DEFAULT_ROLE")):
        with pytest.raises(SettingError, match=missing):
            check_access(msgspec.structs.replace(settings, console_sign_in=method))


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console process with the manifest's variables, on a free loopback port and with SQLite."""
    home = tmp_path / "home"
    given = {n: v for n, v in variables(home).items() if n not in ("PMMDS_HOME", "PMMDS_CONSOLE_PORT")}
    given["PMMDS_MLFLOW_TRACKING_URI"] = ""
    with running_console(console_environment(str(home), **given)) as running:
        yield running


@pytest.mark.process
def test_probes_succeed_and_pages_require_a_sign_in(console: RunningConsole) -> None:
    (container,) = [c for name, c in containers() if name == NAME]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        headers = {h["name"]: h["value"] for h in asked["httpHeaders"]}
        answer = httpx.get(console.url + asked["path"], headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == httpx.codes.OK, probe
    for host in ("localhost", "pmmds-console"):
        page = httpx.get(console.url, headers={"Host": host, "Accept": "text/html"}, timeout=60, trust_env=False)
        assert (page.status_code, page.headers["Location"].partition("?")[0]) == (303, "/sign-in"), host
    unknown = httpx.get(f"{console.url}/livez", headers={"Host": "10.0.0.7:8010"}, timeout=60, trust_env=False)
    assert unknown.status_code == httpx.codes.FORBIDDEN, "a probe without the Host header fails"
    assert console.get("/me").status_code == httpx.codes.UNAUTHORIZED
    form = httpx.get(f"{console.url}/sign-in", timeout=60, trust_env=False)
    assert "; Secure" in form.headers["Set-Cookie"]


def rules_of(direction: str) -> list[dict[str, Any]]:
    return list(of_kind("NetworkPolicy")[NAME]["spec"][direction])


def test_only_the_proxy_reaches_the_console_and_the_console_reaches_the_service() -> None:
    (into,) = rules_of("ingress")
    assert into["from"] == [{"namespaceSelector": {"matchLabels": {"pmmds.io/proxy": "yes"}}}]
    assert into["ports"] == [{"protocol": "TCP", "port": 8010}]
    to_service = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "pmmds-serving"}}}
    assert [rule["to"] for rule in rules_of("egress") if "to" in rule] == [[to_service]]
    assert [rule["ports"] for rule in rules_of("egress")] == [[{"protocol": "TCP", "port": p}] for p in (8000, 443)]
    labels = pod_templates()[NAME]["metadata"]["labels"]
    assert (labels["pmmds.io/database"], labels["pmmds.io/mlflow"]) == ("yes", "yes")


def test_console_reaches_the_service_by_its_kubernetes_name(settings: Settings) -> None:
    host, _, port = settings.console_service_url.removeprefix("http://").partition(":")
    assert int(port) in [p["port"] for p in of_kind("Service")[host]["spec"]["ports"]]


def test_every_process_that_publishes_messages_has_their_targets() -> None:
    """A message is published for the targets of the process that makes the change."""
    secrets = {s["metadata"]["name"]: s["stringData"] for s in resources(EXAMPLE_SECRETS)}
    targets = {"PMMDS_ALERT_URLS", "PMMDS_WEBHOOK_URLS", "PMMDS_WEBHOOK_SECRET"}
    assert set(secrets["pmmds-message-secrets"]) == targets
    assert [name for name, data in secrets.items() if targets & set(data)] == ["pmmds-message-secrets"]
    reading = {n for n, c in containers() if {"secretRef": {"name": "pmmds-message-secrets"}} in c["envFrom"]}
    assert reading == {"pmmds-console", "pmmds-dagster-code", "pmmds-dagster-webserver", "pmmds-dagster-daemon"}
    instance = yaml.safe_load(of_kind("ConfigMap")["pmmds-dagster-instance"]["data"]["dagster.yaml"])
    assert "pmmds-message-secrets" in instance["run_launcher"]["config"]["env_secrets"]
