"""Image and Compose files are checked by reading them. Not here: running them (compose/)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from pmmds_console.access import check_access, is_open
from pmmds_core.config.settings import load_settings
from pmmds_core.config.webhooks import check_webhooks
from pmmds_core.errors import SettingError

ROOT = Path(__file__).parents[2]
DOCKER, COMPOSE = ROOT / "deploy" / "docker", ROOT / "deploy" / "compose"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
FILES = [COMPOSE / name for name in ("compose.yaml", "replica.yaml", "compose.production.yaml")]
# Files that `make secrets` leaves empty.
MAY_BE_EMPTY = {"alert_urls", "webhook_urls", "console_oidc_client_secret", "aws_credentials"}
# Containers that do one task and exit.
RUN_ONCE = {"migrate", "accounts"}
SECRET_WORDS = re.compile(r"(password|token|secret|api_key)\s*[=:]\s*\S", re.IGNORECASE)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return (NAME, rest) for each instruction of the last build stage, with continued lines joined."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]
    last = max(i for i, (name, _) in enumerate(found) if name == "FROM")
    return [(name, rest.strip()) for name, rest in found[last:]]


def services() -> list[tuple[str, str, dict[str, Any]]]:
    """Return (file, name, service) for every service in the Compose files."""
    found = []
    for file in FILES:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found += [(file.name, name, service) for name, service in document["services"].items()]
    return found


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.stem)
def test_image_has_fixed_user_labels_and_health_check(file: Path) -> None:
    last = dict(instructions(file))
    assert last["USER"] == "10001:10001"
    assert "HEALTHCHECK" in last
    assert "curl" not in last["HEALTHCHECK"]
    labels = " ".join(rest for name, rest in instructions(file) if name == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.stem)
def test_image_contains_no_secrets_or_index_url(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not SECRET_WORDS.search(text)
    assert not re.search(r"^\s*[^#\s].*https?://(?!127\.0\.0\.1)", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["serving", "assets"])
def test_image_is_installed_from_the_lock_file_without_build_tools(name: str) -> None:
    text = (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8")
    assert f"--require-hashes --only-binary :all: --no-compile \\\n    -r /locked/requirements-{name}.txt" in text
    assert "python3 -m venv --without-pip /opt/pmmds" in text
    last = instructions(DOCKER / f"{name}.Dockerfile")
    assert [rest for key, rest in last if key == "COPY"] == ["--from=build /opt/pmmds /opt/pmmds"]
    assert not any("apt-get" in rest or "pip" in rest for key, rest in last if key == "RUN")


def locked(name: str) -> dict[str, str]:
    """Return the version of each distribution."""
    text = (DOCKER / f"requirements-{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        (
            "serving",
            {"bentoml", "mlflow-skinny", "psycopg", "httptools", "uvloop"},
            {"dagster", "mlflow", "pandas", "scikit-learn", "pyarrow", "great-expectations"},
        ),
        (
            "assets",
            {"dagster", "dagster-postgres", "mlflow", "psycopg", "boto3", "starlette", "uvicorn", "jinja2"},
            {"bentoml"},
        ),
    ],
)
def test_image_installs_its_extras_in_the_tested_versions(name: str, has: set[str], has_not: set[str]) -> None:
    versions = locked(name)
    assert has <= set(versions)
    assert has_not.isdisjoint(versions)
    text = (DOCKER / f"requirements-{name}.txt").read_text(encoding="utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text
    tested = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    differing = [f"{d}=={v}" for d, v in versions.items() if f"\n{d}==" in tested and f"\n{d}=={v} " not in tested]
    assert differing == []


@pytest.mark.parametrize(("file", "name", "service"), services(), ids=lambda x: x if isinstance(x, str) else "")
def test_container_has_minimum_privileges(file: str, name: str, service: dict[str, Any]) -> None:
    if file == "compose.production.yaml" and "image" not in service:
        assert set(service) <= {"environment", "secrets", "depends_on", "extends", "volumes"}, (
            "the overlay only adds settings"
        )
        return
    if "extends" in service:
        return
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["restart"] == ("no" if name in RUN_ONCE else "unless-stopped")
    assert "privileged" not in service
    assert ":latest" not in service["image"]
    assert re.search(r":[^}]*\d", service["image"]), "the image is pinned"
    # Two images define a HEALTHCHECK; containers of the assets image define their own.
    checks_itself = any(image in service["image"] for image in ("pmmds-serving", "pmmds-proxy"))
    assert checks_itself or name in RUN_ONCE or service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_service_and_dagster_read_the_settings_file() -> None:
    reading = {name for _, name, service in services() if service.get("env_file") == ["settings.env"]}
    assert reading == {"replica", "console", "dagster-code", "dagster-webserver", "dagster-daemon"}
    lines = (COMPOSE / "settings.env").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [], "the file must not change defaults"


def test_only_the_proxy_publishes_ports_and_only_on_loopback() -> None:
    published = {name: service["ports"] for _, name, service in services() if "ports" in service}
    assert set(published) == {"proxy"}
    assert all(port.startswith("${PMMDS_BIND:-127.0.0.1}:") for port in published["proxy"])


def networks(service: dict[str, Any]) -> set[str]:
    return set(service.get("networks", ()))


def test_service_reaches_mlflow_only_through_the_proxy() -> None:
    found: dict[str, dict[str, Any]] = {}
    for _, name, service in services():
        found[name] = found.get(name, {}) | service
    exposed = networks(found["replica"])
    for name in (
        "mlflow",
        "console",
        "accounts",
        "dagster-code",
        "dagster-webserver",
        "dagster-daemon",
        "migrate",
        "grafana",
    ):
        platform = networks(found[name] or found["dagster-code"])
        assert platform, name
        assert exposed.isdisjoint(platform), name
    alias, _, port = found["replica"]["environment"]["PMMDS_MLFLOW_TRACKING_URI"].removeprefix("http://").partition(":")
    assert found["proxy"]["networks"]["serving"] == {"aliases": [alias]}
    assert not any(published.endswith(f":{port}") for published in found["proxy"]["ports"])
    reads = (DOCKER / "proxy.conf").read_text(encoding="utf-8").split(f"listen {port};")[1].split("listen ")[0]
    assert "limit_except GET {\n        deny all;" in reads
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    assert {name for name, n in document["networks"].items() if n} == {"serving-data", "platform-data"}
    assert networks(found["postgres"]) == {"serving-data", "platform-data"}


def test_dagster_mlflow_and_prometheus_require_a_password() -> None:
    text = (DOCKER / "proxy.conf").read_text(encoding="utf-8")
    assert text.count("  auth_basic_user_file /run/secrets/proxy_users;") == 1
    servers = {s.split(";")[0].split()[0]: s for s in text.split("listen ")[1:]}
    assert {port for port, s in servers.items() if "auth_basic off;" in s} == {
        "8000",
        "50051",
        "8010",
        "5001",
        "3001",
        "127.0.0.1:8081",
    }


def test_no_container_variable_contains_a_secret() -> None:
    for _, name, service in services():
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|TOKEN|DATABASE_URL|ALERT_URLS|WEBHOOK|SECRET|CREDENTIALS", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.startswith("/run/secrets/")


def console_service() -> dict[str, Any]:
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    return dict(document["services"]["console"])


def test_console_has_its_own_login_and_requires_a_sign_in(tmp_path: Path) -> None:
    console, owner = console_service(), dict(next(s for _, name, s in services() if name == "accounts"))
    assert console["environment"]["PMMDS_DATABASE_URL_FILE"] == "/run/secrets/console_database_url"
    assert "assets_database_url" not in console["secrets"]
    environment = usable_environment(console, tmp_path)
    settings = load_settings(environment)
    assert settings.console_sign_in == "users"
    assert not is_open(settings)
    check_access(settings)
    # If sign-in is off, the console still does not start without a token.
    with pytest.raises(SettingError, match="not a loopback address, sign-in is off"):
        check_access(msgspec.structs.replace(settings, console_sign_in="off", admin_token=""))
    # Only the tables' owner adds users, in a container that runs on request.
    assert owner["profiles"] == ["accounts"]
    assert owner["environment"]["PMMDS_DATABASE_URL_FILE"] == "/run/secrets/migrator_database_url"


def usable_environment(service: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return a service's variables with their defaults, where the files of secrets are in `folder`."""
    script = folder / "make_secrets.py"
    script.write_bytes((COMPOSE / "make_secrets.py").read_bytes())
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    values = {k: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(v)) for k, v in service["environment"].items()}
    return {k: v.replace("/run/secrets/", f"{folder}/secrets/") for k, v in values.items()}


def test_messages_are_published_and_sent_with_the_files_of_the_webhook_settings(tmp_path: Path) -> None:
    publishing = {"console", "dagster-code", "dagster-webserver", "dagster-daemon"}
    files = {f"PMMDS_WEBHOOK_{name.upper()}_FILE": f"webhook_{name}" for name in ("urls", "secret")}
    found = {name: s for file, name, s in services() if file == "compose.yaml" and "PMMDS_WEBHOOK_URLS_FILE" in str(s)}
    assert set(found) == publishing
    for name, service in found.items():
        for variable, secret in files.items():
            assert service["environment"][variable] == f"/run/secrets/{secret}", name
            assert secret in service["secrets"], name
    environment = usable_environment(console_service(), tmp_path)
    assert load_settings(environment).webhook_urls == "", "no target is configured after `make secrets`"
    (tmp_path / "secrets" / "webhook_urls").write_text("https://hooks.example/pmmds\n")
    assert load_settings(environment).webhook_urls == "https://hooks.example/pmmds"


def test_every_secret_that_a_variable_names_is_mounted() -> None:
    merged: dict[str, set[str]] = {}
    for _, name, service in services():
        merged.setdefault(name, set()).update(service.get("secrets", ()))
    for file, name, service in services():
        for variable, value in (service.get("environment") or {}).items():
            if str(value).startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in merged[name], f"{file}: {name}: {variable}"


def test_service_has_prometheus_scrape_labels() -> None:
    replica = yaml.safe_load((COMPOSE / "replica.yaml").read_text(encoding="utf-8"))["services"]["replica"]
    assert replica["labels"] == {
        "prometheus.scrape": "true",
        "prometheus.port": "8000",
        "prometheus.path": "/metrics",
    }


def test_make_secrets_creates_all_secrets_and_keeps_existing_ones(tmp_path: Path) -> None:
    script = tmp_path / "make_secrets.py"
    script.write_bytes((COMPOSE / "make_secrets.py").read_bytes())

    def made() -> dict[str, str]:
        subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
        return {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "secrets").iterdir()}

    first = made()
    wanted: set[str] = set()
    for file in FILES:
        wanted |= set(yaml.safe_load(file.read_text(encoding="utf-8")).get("secrets", {}))
    assert wanted <= set(first)
    assert first["pmmds_password"].strip() in first["migrator_database_url"]
    logins = {"serving": "pmmds_serving", "assets": "pmmds_assets", "console": "pmmds_console_login"}
    for name, login in logins.items():
        for url in (f"{name}_database_url", f"{name}_pooled_database_url"):
            assert first[url].startswith(f"postgresql://{login}:{first[f'{name}_password'].strip()}@")
        assert f'"{login}" "{first[f"{name}_password"].strip()}"' in first["pgbouncer_users"].splitlines()
    assert len({v for k, v in first.items() if k.endswith("_password")}) == 9
    check_webhooks("https://hooks.example/pmmds", first["webhook_secret"].strip())
    assert {n for n, v in first.items() if not v.strip()} == MAY_BE_EMPTY
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o644} == MAY_BE_EMPTY
    assert {mode for name, mode in modes.items() if name not in MAY_BE_EMPTY} == {0o444}
    assert made() == first


def test_secrets_are_ignored_by_git_and_docker() -> None:
    assert "/deploy/compose/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert not any(line.startswith(("!deploy/compose", "!.env", "!deploy\n")) for line in ignored)
