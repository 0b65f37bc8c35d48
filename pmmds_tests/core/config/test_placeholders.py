"""Placeholder secrets from examples are rejected; the error names the variable but does not show the value."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pmmds_core.config.settings import load_settings
from pmmds_core.errors import SettingError
from pmmds_tests.deploy.manifests import EXAMPLE_SECRETS
from pmmds_tests.harness.command_line import pmmds

EXAMPLES = [
    (secret["metadata"]["name"], variable, value)
    for secret in yaml.safe_load_all(EXAMPLE_SECRETS.read_text(encoding="utf-8"))
    for variable, value in secret["stringData"].items()
    if value
]


@pytest.mark.parametrize(("secret", "variable", "value"), EXAMPLES)
def test_every_example_secret_is_rejected(secret: str, variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{variable} is still the placeholder") as caught:
        load_settings({variable: value})
    assert value not in str(caught.value), secret


@pytest.mark.parametrize(
    "value", ["change-me", "ChangeMe", "change_me", "<token>", "…", "your-token-here", "replace-me"]
)
def test_common_placeholders_are_rejected_in_files_and_urls(value: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{value}\n", encoding="utf-8")
    with pytest.raises(SettingError, match="PMMDS_ADMIN_TOKEN is still the placeholder"):
        load_settings({"PMMDS_ADMIN_TOKEN_FILE": str(file)})
    with pytest.raises(SettingError, match="PMMDS_DATABASE_URL is still the placeholder"):
        load_settings({"PMMDS_DATABASE_URL": f"postgresql://ann:{value}@db:5432/pmmds"})


def test_real_secrets_that_resemble_placeholders_are_accepted() -> None:
    value = "kept-changes-meaning"
    assert load_settings({"PMMDS_ADMIN_TOKEN": value}).admin_token == value
    url = "postgresql://ann:exchange-met@db:5432/pmmds"
    assert load_settings({"PMMDS_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("command", [("serve",), ("up",), ("run", "mlflow")])
def test_processes_do_not_start_with_a_placeholder_secret(command: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    variables = {"PMMDS_ADMIN_TOKEN": "CHANGE-ME"}
    said = pmmds(home, *command, given=variables)
    assert said.code == 2
    assert said.sentence.startswith("PMMDS_ADMIN_TOKEN is still the placeholder")
    assert not home.exists()
