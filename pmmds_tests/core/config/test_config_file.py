"""Settings in `pmmds.toml`: precedence, keys, types, paths, secrets and errors."""

from __future__ import annotations

import logging
import os
import re
from datetime import date
from pathlib import Path

import pytest

from pmmds_core.config import find_config
from pmmds_core.config.config_file import ConfigFile
from pmmds_core.config.given import variable_name
from pmmds_core.config.listing import describe, find_setting
from pmmds_core.config.secret_files import SECRETS
from pmmds_core.config.settings import Settings, home_of_environment, load_settings, setting_types
from pmmds_core.config.toml_paths import toml_path
from pmmds_core.errors import SettingError, UsageError


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "pmmds.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def loaded(file: Path, **variables: str) -> Settings:
    return load_settings({"PMMDS_CONFIG": str(file), **variables})


def rejected(folder: Path, text: str) -> str:
    with pytest.raises(SettingError) as caught:
        loaded(written(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value).removeprefix(f"{folder}/")


def test_environment_variables_override_the_file_and_the_file_overrides_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, "[drift]\npsi_threshold = 0.3\nmin_drift_features = 5\n")
    settings = loaded(file, PMMDS_DRIFT_PSI_THRESHOLD="0.4", PMMDS_DRIFT_MIN_DRIFT_FEATURES="")
    found = (settings.drift_psi_threshold, settings.drift_min_drift_features, settings.drift_current_window_hours)
    assert found == (0.4, 5, 24)


def test_every_setting_is_read_from_its_own_toml_key(tmp_path: Path) -> None:
    places = {name: toml_path(name) for name in setting_types()}
    assert len(set(places.values())) == len(places)
    for name, (*table, key) in places.items():
        default = getattr(Settings(), name)
        value = default if isinstance(default, int | float | date) else f'"{default}"'
        header = f"[{table[0]}]\n" if table else ""
        file = ConfigFile(written(tmp_path, f"{header}{key} = {value}\n"), setting_types())
        given = file.get(name)
        if default == "":
            assert given is None
            continue
        assert given is not None
        assert given.value == (str(tmp_path / ".pmmds") if name == "home" else default)
        assert given.origin == f"{tmp_path}/pmmds.toml:{2 if table else 1}"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("home", ("home",)),
        ("data_path", ("data_path",)),
        ("drift_psi_threshold", ("drift", "psi_threshold")),
        ("retrain_min_labels", ("retraining", "min_labels")),
        ("http_port", ("service", "http_port")),
        ("log_level", ("logging", "level")),
        ("new_word", ("new", "word")),
    ],
)
def test_the_first_word_of_a_setting_name_selects_the_toml_table(name: str, place: tuple[str, ...]) -> None:
    assert toml_path(name) == place


def test_native_toml_types_are_accepted(tmp_path: Path) -> None:
    text = """
        drift.alert_rules = ["spec", "joint"]
        labels = {timestamp_earliest = 2001-02-03}
        [promotion]
        shadow = true
        forbid_worse_segment = false
        [retraining]
        every_days = 7
        [alerts]
        urls = [
          "json://a/b",
          "json://c",
        ]
        """
    settings = loaded(written(tmp_path, text))
    assert settings.alert_rules == ("spec", "joint")
    assert settings.timestamp_earliest == date(2001, 2, 3)
    assert (settings.shadow, settings.promotion_forbid_worse_segment) == ("on", "off")
    assert settings.retrain_every_days == 7.0
    assert settings.alert_urls == "json://a/b, json://c"


def test_relative_paths_are_resolved_against_the_config_file_folder(tmp_path: Path) -> None:
    text = """
        contract = "c.yaml"
        data_path = "/data/rows.csv"
        database.url = "sqlite:///rows.db"
        mlflow.artifact_root = "s3://bucket/models"
        retention.archive_path = "old/days"
        """
    settings = loaded(written(tmp_path, text))
    assert settings.contract == str(tmp_path / "c.yaml")
    assert settings.data_path == "/data/rows.csv"
    assert settings.database_url == f"sqlite:///{tmp_path}/rows.db"
    assert settings.mlflow_artifact_root == "s3://bucket/models"
    assert settings.archive_path == str(tmp_path / "old/days")
    assert settings.home == str(tmp_path / ".pmmds")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[drift]\npsi_treshold = 1", "pmmds.toml:2: [drift] has no key 'psi_treshold'. Did you mean drift.psi_thresh"),
        ("\n[drfit]\npsi_threshold = 1", "pmmds.toml:2: there is no table or key 'drfit'. Did you mean [drift]?"),
        ("psi_threshold = 1", "pmmds.toml:1: there is no table or key 'psi_threshold'. Did you mean drift.psi_thresh"),
        ("drift.drift_psi_threshold = 1", "pmmds.toml:1: [drift] has no key 'drift_psi_threshold'. Did you mean drift"),
        (
            "http_port_file = 1",
            "pmmds.toml:1: there is no table or key 'http_port_file'. Did you mean service.http_port?",
        ),
        ("drift = 3", "pmmds.toml:1: drift must be one table."),
        ("[[drift]]\npsi_threshold = 1", "pmmds.toml:1: drift must be one table."),
        ('[drift]\n\npsi_threshold = "1"', "pmmds.toml:3: drift.psi_threshold = '1' is not valid: expected a number"),
        ("drift.psi_threshold = true", "pmmds.toml:1: drift.psi_threshold = true is not valid: expected a number"),
        ("drift.psi_threshold = -1", "pmmds.toml:1: drift.psi_threshold = -1 is not valid: expected a number"),
        (
            "drift.psi_threshold = inf",
            "pmmds.toml:1: drift.psi_threshold = inf is not valid: expected a finite number.",
        ),
        ("drift.psi_threshold = nan", "pmmds.toml:1: drift.psi_threshold = nan is not valid: expected a number"),
        (r'home = "a\u0000b"', "pmmds.toml:1: home = 'a\\x00b' is not valid: expected text without NUL characters."),
        ("service.http_port = 80.5", "pmmds.toml:1: service.http_port = 80.5 is not valid: expected a whole number"),
        ("home = 3", "pmmds.toml:1: home = 3 is not valid: expected text in quotes, not a whole number."),
        ("promotion.shadow = 1", "pmmds.toml:1: promotion.shadow = 1 is not valid: expected one of off, on."),
        ('drift.alert_rules = ["jont"]', "pmmds.toml:1: drift.alert_rules = ['jont'] is not valid: expected a comma"),
        ("a = 1\na = 2", "pmmds.toml:2: not valid TOML: cannot overwrite a value."),
        ("[drift\n", "pmmds.toml:1: not valid TOML: expected ']'"),
        ("[drift]\npsi_threshold =", "pmmds.toml:2: not valid TOML: invalid value"),
    ],
)
def test_errors_state_the_line_and_the_expected_value(tmp_path: Path, text: str, message: str) -> None:
    assert rejected(tmp_path, text).startswith(message)


def test_an_unreadable_config_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "pmmds.toml").write_bytes(b"home = '\xff'")
    with pytest.raises(SettingError, match="is not UTF-8 text"):
        loaded(tmp_path / "pmmds.toml")
    with pytest.raises(SettingError, match="which is not a file"):
        loaded(tmp_path / "missing.toml")


# Webhook settings have a form of their own; test_webhook_settings.py reads them from files.
@pytest.mark.parametrize("name", sorted(SECRETS - {"webhook_urls", "webhook_secret"}))
def test_every_secret_can_be_read_from_a_separate_file(tmp_path: Path, name: str) -> None:
    secret = f"{'redis' if name == 'celery_broker_url' else 'postgresql'}://ann:hidden-word@host/db"
    (tmp_path / "secret").write_text(f"{secret}\n", encoding="utf-8")
    file = written(tmp_path, f'{".".join(toml_path(name))}_file = "secret"\n')
    assert getattr(loaded(file), name) == secret
    row = find_setting(describe({"PMMDS_CONFIG": str(file)}), variable_name(name))
    assert row.origin == f"{file}:1"
    assert "hidden-word" not in row.value


def test_errors_do_not_show_secret_values_of_the_wrong_type(tmp_path: Path) -> None:
    assert "hidden-word" not in rejected(tmp_path, 'service.admin_token = ["hidden-word"]')


@pytest.mark.parametrize(
    ("text", "mode", "exposed"),
    [
        ('service.admin_token = "t"', 0o644, ("service.admin_token",)),
        ('service.admin_token = "t"', 0o640, ("service.admin_token",)),
        ('service.admin_token = "t"', 0o600, ()),
        ('database.url = "postgresql://a:b@host/d"', 0o644, ("database.url",)),
        ('database.url = "postgresql://a@host/d"', 0o644, ()),
        ('service.admin_token_file = "t"', 0o644, ()),
    ],
)
def test_secrets_readable_by_other_users_are_detected(
    tmp_path: Path, text: str, mode: int, exposed: tuple[str, ...]
) -> None:
    assert ConfigFile(written(tmp_path, text, mode), setting_types()).exposed_secrets == exposed


def test_a_process_warns_once_about_exposed_secrets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path, 'service.admin_token = "hidden-word"', 0o644)
    with caplog.at_level(logging.WARNING):
        loaded(file)
        loaded(file)
    assert len(caplog.messages) == 1
    assert f"{file} contains service.admin_token" in caplog.messages[0]
    assert "hidden-word" not in caplog.messages[0]


def test_the_config_file_is_found_from_a_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[drift]\npsi_threshold = 0.3\n")
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    monkeypatch.delenv("PMMDS_HOME", raising=False)
    assert load_settings().drift_psi_threshold == 0.3
    assert home_of_environment() == tmp_path / ".pmmds"
    monkeypatch.setenv("PMMDS_CONFIG", os.devnull)
    assert load_settings().drift_psi_threshold == 0.2


def test_the_home_folder_is_found_even_if_the_config_file_is_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "nonsense = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PMMDS_HOME", raising=False)
    assert home_of_environment() == tmp_path / ".pmmds"


def test_a_config_file_owned_by_another_user_must_be_set_explicitly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "[drift]\npsi_threshold = 0.3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(find_config, "_ROOT_USER", -1)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(SettingError, match="belongs to another user"):
        load_settings()
    monkeypatch.setenv("PMMDS_CONFIG", str(file))
    assert load_settings().drift_psi_threshold == 0.3


def test_child_processes_get_all_settings_as_environment_variables(tmp_path: Path) -> None:
    settings = loaded(written(tmp_path, '[drift]\nsegment_features = "Contract"\n'))
    assert load_settings(settings.to_environment()) == settings
    assert settings.to_environment()["PMMDS_CONFIG"] == os.devnull


def test_each_value_is_listed_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t", encoding="utf-8")
    file = written(tmp_path, "\n[drift]\npsi_threshold = 0.3\n")
    token = {"PMMDS_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    environment = {"PMMDS_CONFIG": str(file), "PMMDS_HTTP_PORT": "81", **token}
    origins = {row.path: row.origin for row in describe(environment)}
    assert origins["drift.psi_threshold"] == f"{file}:3"
    assert origins["service.http_port"] == "PMMDS_HTTP_PORT"
    assert [origins["service.admin_token"]] == list(token)
    assert origins["home"] == origins["drift.min_drift_features"] == "default"


def test_an_unknown_setting_name_suggests_the_closest_match() -> None:
    with pytest.raises(UsageError, match=r"Did you mean drift\.psi_threshold\?"):
        find_setting(describe({}), "drift.psi_treshold")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PMMDS_DRIFT_PSI_THRESHOLD", "inf", "expected a finite number."),
        ("PMMDS_DRIFT_PSI_THRESHOLD", "0,2", "expected a number."),
        ("PMMDS_HTTP_PORT", "080", "expected a whole number."),
        ("PMMDS_HTTP_PORT", "0", "expected a whole number >= 1."),
    ],
)
def test_a_variable_of_another_kind_is_rejected_with_the_kind(variable: str, value: str, reason: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{variable}={value!r} is not valid: {reason}")):
        load_settings({variable: value})
