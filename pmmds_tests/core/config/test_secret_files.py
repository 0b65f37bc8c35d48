"""Secret settings that are read from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pmmds_core.config.given import variable_name
from pmmds_core.config.listing import describe
from pmmds_core.config.secret_files import SECRETS
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import SettingError


def written(folder: Path, content: bytes) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    return str(path)


# Webhook settings have a form of their own; test_webhook_settings.py reads them from files.
@pytest.mark.parametrize("name", sorted(SECRETS - {"webhook_urls", "webhook_secret"}))
def test_secrets_from_files_are_stripped_and_masked(tmp_path: Path, name: str) -> None:
    secret = f"{'redis' if name == 'celery_broker_url' else 'postgresql'}://ann:hidden-word@host/db"
    environment = {f"{variable_name(name)}_FILE": written(tmp_path, f"{secret}\n".encode())}
    assert getattr(load_settings(environment), name) == secret
    (row,) = [r for r in describe(environment) if r.variable == variable_name(name)]
    assert row.is_set
    assert "hidden-word" not in row.value


def test_the_environment_variable_takes_precedence_over_the_secret_file(tmp_path: Path) -> None:
    both = {"PMMDS_DATABASE_URL_FILE": written(tmp_path, b"sqlite:///file"), "PMMDS_DATABASE_URL": "sqlite:///variable"}
    assert load_settings(both).database_url == "sqlite:///variable"


def test_only_secret_settings_can_be_read_from_files(tmp_path: Path) -> None:
    assert load_settings({"PMMDS_HTTP_PORT_FILE": written(tmp_path, b"9")}).http_port == 8000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "which is empty"),
        (b"\n\n", "which is empty"),
        (b"one\ntwo", "not one line of text"),
        (b"\xff\xfe", "not one line of text"),
        (b"a" * 70_000, "not one line of text"),
    ],
)
def test_errors_about_invalid_secret_files_do_not_show_the_content(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SettingError, match=message) as caught:
        load_settings({"PMMDS_DATABASE_URL_FILE": path})
    assert f"PMMDS_DATABASE_URL_FILE names {path}" in str(caught.value)
    assert "two" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_alert_urls_file_may_be_empty(tmp_path: Path) -> None:
    assert load_settings({"PMMDS_ALERT_URLS_FILE": written(tmp_path, b"")}).alert_urls == ""


def test_the_error_for_an_unreadable_secret_file_states_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(SettingError, match=f"names {missing}, which cannot be read: No such file"):
        load_settings({"PMMDS_ADMIN_TOKEN_FILE": str(missing)})
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        load_settings({"PMMDS_ADMIN_TOKEN_FILE": str(tmp_path)})


@pytest.mark.skipif(os.geteuid() == 0, reason="The root user can read every file.")
def test_a_secret_file_without_read_permission_is_reported(tmp_path: Path) -> None:
    path = Path(written(tmp_path, b"x"))
    path.chmod(0)
    with pytest.raises(SettingError, match="Permission denied"):
        load_settings({"PMMDS_ADMIN_TOKEN_FILE": str(path)})


def test_a_password_in_a_url_query_is_masked() -> None:
    url = "postgresql://db:5432/rows?user=ann&password=hunter2&sslmode=require"
    (row,) = [row for row in describe({"PMMDS_DATABASE_URL": url}) if row.variable == "PMMDS_DATABASE_URL"]
    assert row.value == "postgresql://db:5432/rows?user=ann&password=***&sslmode=require"
