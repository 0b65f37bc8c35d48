"""Webhook addresses need https, and events need a secret. No message contains an address or a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.config.listing import describe
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import SettingError
from pmmds_tests.harness.webhook_receiver import OTHER_SECRET, SECRET


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/t0k3n",
        "https://10.0.0.7:8443/t0k3n",
        "http://127.0.0.1:9000/t0k3n",
        "http://localhost/t0k3n",
        "http://[::1]:9000/t0k3n",
    ],
)
def test_https_and_loopback_addresses_are_allowed(url: str) -> None:
    settings = load_settings({"PMMDS_WEBHOOK_URLS": url, "PMMDS_WEBHOOK_SECRET": SECRET})
    assert settings.webhook_urls == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/t0k3n",
        "http://127.0.0.1@hooks.example/t0k3n",
        "http://localhost.hooks.example/t0k3n",
        "http://10.0.0.7/t0k3n",
        "https:///t0k3n",
        "https://hooks.example:port/t0k3n",
        "ftp://hooks.example/t0k3n",
        "hooks.example/t0k3n",
    ],
)
def test_other_addresses_are_rejected_by_their_place(url: str) -> None:
    variables = {"PMMDS_WEBHOOK_URLS": f"https://first.example, {url}", "PMMDS_WEBHOOK_SECRET": SECRET}
    with pytest.raises(SettingError, match=r"URL 2 of PMMDS_WEBHOOK_URLS") as error:
        load_settings(variables)
    assert "t0k3n" not in str(error.value)


@pytest.mark.parametrize("secret", ["", "password", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", SECRET[:-4] + "ä"])
def test_urls_need_a_secret_of_the_standard_form(secret: str) -> None:
    with pytest.raises(SettingError, match="PMMDS_WEBHOOK_SECRET") as error:
        load_settings({"PMMDS_WEBHOOK_URLS": "https://hooks.example", "PMMDS_WEBHOOK_SECRET": secret})
    assert not secret or secret not in str(error.value).replace("whsec_ ", "")


def test_the_list_of_settings_shows_neither_address_nor_secret() -> None:
    variables = {
        "PMMDS_WEBHOOK_URLS": "https://hooks.example/t0k3n",
        "PMMDS_WEBHOOK_SECRET": f"{SECRET},{OTHER_SECRET}",
    }
    shown = str(describe(variables))
    assert "t0k3n" not in shown
    assert SECRET not in shown


def test_both_settings_are_read_from_files(tmp_path: Path) -> None:
    urls, secret = tmp_path / "urls", tmp_path / "secret"
    urls.write_text("https://hooks.example/t0k3n\n", encoding="utf-8")
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    by_variable = {"PMMDS_WEBHOOK_URLS_FILE": str(urls), "PMMDS_WEBHOOK_SECRET_FILE": str(secret)}
    file = tmp_path / "pmmds.toml"
    file.write_text('[webhooks]\nurls_file = "urls"\nsecret_file = "secret"\n', encoding="utf-8")
    for variables in (by_variable, {"PMMDS_CONFIG": str(file)}):
        settings = load_settings(variables)
        assert (settings.webhook_urls, settings.webhook_secret) == ("https://hooks.example/t0k3n", SECRET)


@pytest.mark.parametrize("url", ["console", "ftp://console", "https://console?x=1"])
def test_the_console_url_is_an_http_address(url: str) -> None:
    with pytest.raises(SettingError, match="PMMDS_CONSOLE_URL"):
        load_settings({"PMMDS_CONSOLE_URL": url})
