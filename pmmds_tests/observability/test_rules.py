"""Each alert rule fires when it should, according to promtool, and has a severity and a runbook entry."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from pmmds_tests.harness.system_programs import system_program
from pmmds_tests.observability.deployed import PROMETHEUS, ROOT, rules

UNIT_TESTS = PROMETHEUS / "tests" / "pmmds_test.yml"


def promtool(*arguments: str) -> str:
    done = subprocess.run([system_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_configuration_and_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_promtool_unit_tests_pass() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(UNIT_TESTS))


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_every_rule_has_a_firing_and_a_silent_unit_test(rule: dict[str, str]) -> None:
    text = UNIT_TESTS.read_text(encoding="utf-8")
    quiet, firing = text.split("  - name: a replica that is gone", 1)
    assert f"alertname: {rule['alert']}}}" in quiet, "no test covers a case in which it does not fire"
    assert f'alertname="{rule["alert"]}"' in firing or f"alertname: {rule['alert']}\n" in firing


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_every_rule_has_severity_texts_and_a_runbook_entry(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook"} == rule["annotations"].keys()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = [
        line[4:].strip() for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line[:4] == "### "
    ]
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


def test_alert_names_are_unique() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 0
