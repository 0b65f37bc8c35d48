"""The alert rules: each is proved to fire and not to fire by promtool, and says what to do."""

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


def test_the_configuration_and_the_rules_are_prometheuss() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_every_rule_fires_and_does_not_fire_as_its_unit_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(UNIT_TESTS))


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_every_rule_is_unit_tested_both_ways(rule: dict[str, str]) -> None:
    text = UNIT_TESTS.read_text(encoding="utf-8")
    quiet, firing = text.split("  - name: a replica that is gone", 1)
    assert f"alertname: {rule['alert']}}}" in quiet, "a case in which it does not fire"
    assert f'alertname="{rule["alert"]}"' in firing or f"alertname: {rule['alert']}\n" in firing


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_every_rule_has_a_severity_words_and_a_page_of_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook"} == rule["annotations"].keys()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = [
        line[4:].strip() for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line[:4] == "### "
    ]
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


def test_alerts_have_different_names() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 0
