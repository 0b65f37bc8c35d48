"""A secret that was copied from an example is refused, in one sentence that does not repeat it."""

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
def test_every_value_of_the_example_secrets_is_refused(secret: str, variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{variable} holds the placeholder of an example") as caught:
        load_settings({variable: value})
    assert value not in str(caught.value), secret


@pytest.mark.parametrize(
    "value", ["change-me", "ChangeMe", "change_me", "<token>", "…", "your-token-here", "replace-me"]
)
def test_usual_spellings_are_refused_also_in_a_file(value: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{value}\n", encoding="utf-8")
    with pytest.raises(SettingError, match="PMMDS_ADMIN_TOKEN holds the placeholder"):
        load_settings({"PMMDS_ADMIN_TOKEN_FILE": str(file)})
    with pytest.raises(SettingError, match="PMMDS_DATABASE_URL holds the placeholder"):
        load_settings({"PMMDS_DATABASE_URL": f"postgresql://ann:{value}@db:5432/pmmds"})


def test_a_secret_of_its_own_is_taken() -> None:
    own = "kept-changes-meaning"
    assert load_settings({"PMMDS_ADMIN_TOKEN": own}).admin_token == own
    url = "postgresql://ann:exchange-met@db:5432/pmmds"
    assert load_settings({"PMMDS_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("command", [("serve",), ("up",), ("run", "mlflow")])
def test_nothing_starts_with_a_placeholder(command: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    variables = {"PMMDS_ADMIN_TOKEN": "CHANGE-ME"}
    said = pmmds(home, *command, given=variables)
    assert said.code == 2
    assert said.sentence.startswith("PMMDS_ADMIN_TOKEN holds the placeholder of an example")
    assert not home.exists()
