"""users, tokens and audit as commands: output, exit codes, and passwords that are never options."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.identity.passwords import is_right
from pmmds_tests.console.changes import open_alert
from pmmds_tests.harness.command_line import environment_of, pmmds

PHRASE = "correct horse battery"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def deployment_of(home: Path) -> Deployment:
    return Deployment(Settings(home=str(home)))


def add_user(home: Path, *arguments: str, phrase: str = PHRASE) -> subprocess.CompletedProcess[str]:
    """Run `pmmds users add` with a password on standard input."""
    argv = [sys.executable, "-m", "pmmds_cli.main", "users", "add", *arguments]
    return subprocess.run(
        argv,
        input=f"{phrase}\n",
        env=environment_of(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_user_is_added_changed_and_disabled(home: Path) -> None:
    done = add_user(home, "Ada", "--role", "approver")
    assert (done.returncode, done.stdout) == (0, "User ada is added with the role approver.\n")
    user = deployment_of(home).users.get("ada")
    assert is_right(PHRASE, user.password_hash)
    again = add_user(home, "ADA", "--role", "viewer")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (
        2,
        "Error: There is a user 'ada' already. `pmmds users set-role` changes the role.",
    )
    assert pmmds(home, "users", "set-role", "ada", "--role", "viewer").code == 0
    assert pmmds(home, "users", "disable", "ada").out == "User ada is disabled.\n"
    (listed,) = pmmds(home, "users", "list", "--json").document
    assert (listed["name"], listed["role"], listed["has_password"]) == ("ada", "viewer", True)
    assert listed["disabled_at"] is not None
    assert "argon2" not in pmmds(home, "users", "list").out


def test_a_weak_password_or_an_unknown_role_is_named(home: Path) -> None:
    weak = add_user(home, "ada", "--role", "viewer", phrase="short")
    assert (weak.returncode, weak.stderr.splitlines()[-1]) == (
        2,
        "Error: The password is not accepted. Use 10 to 256 characters that are not all the same.",
    )
    said = pmmds(home, "users", "add", "ada", "--role", "king", "--no-password")
    assert (said.code, said.sentence) == (
        2,
        "There is no role 'king'. Use --role with one of viewer, operator, approver.",
    )
    assert pmmds(home, "users", "add", "ada", "--role", "viewer", "--password", "x").code == 2
    assert deployment_of(home).users.all() == []


def test_a_token_is_printed_once_and_revoked(home: Path) -> None:
    deployment = deployment_of(home)
    deployment.users.add("ada", Role.OPERATOR, None)
    said = pmmds(home, "tokens", "create", "Ada", "--role", "viewer", "--expires", "12h")
    assert said.code == 0
    assert re.fullmatch(r"pmmds_[\w-]{43}\n", said.out)
    found = deployment.tokens.check(said.out.strip())
    assert found is not None
    assert (found.owner, found.role, found.refusal) == ("ada", Role.VIEWER, "")
    (listed,) = pmmds(home, "tokens", "list", "--json").document
    expires = datetime.fromisoformat(listed["expires_at"])
    assert expires - datetime.now(UTC) == pytest.approx(timedelta(hours=12), abs=timedelta(minutes=10))
    assert said.out.strip() not in pmmds(home, "tokens", "list").out
    assert pmmds(home, "tokens", "revoke", "1").code == 0
    found = deployment.tokens.check(said.out.strip())
    assert found is not None
    assert found.refusal == "The API token is revoked."


@pytest.mark.parametrize("given", [["--role", "approver"], ["--role", "viewer", "--expires", "2y"], ["--role", "x"]])
def test_a_token_that_is_not_allowed_is_refused(home: Path, given: list[str]) -> None:
    deployment_of(home).users.add("ada", Role.OPERATOR, None)
    said = pmmds(home, "tokens", "create", "ada", *given)
    assert said.code == 2
    assert said.sentence
    assert deployment_of(home).tokens.all() == []


def test_audit_lists_changes_of_commands_in_80_columns(home: Path) -> None:
    deployment = deployment_of(home)
    open_alert(deployment)
    assert pmmds(home, "alerts", "comment", "1", "--by", "Ada", "--note", "asked the data team").code == 0
    assert pmmds(home, "alerts", "ack", "1", "--by", "Ada").code == 0
    assert pmmds(home, "approve", "none", "--by", "Bob").code == 2
    listed = pmmds(home, "audit", "--json").document
    assert [(e["actor"], e["action"], e["target"], e["outcome"]) for e in listed] == [
        ("Bob", "approve", "decision none", "refused"),
        ("Ada", "acknowledge", "alert 1", "done"),
        ("Ada", "comment", "alert 1", "done"),
    ]
    assert {e["method"] for e in listed} == {"command line"}
    shown = pmmds(home, "audit")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert pmmds(home, "audit", "--since", "2999-01-01").out == "No audit events.\n"
    assert pmmds(home, "audit", "--since", "tomorrow").code == 2


def test_a_first_approval_is_reported_as_such(home: Path) -> None:
    decision = deployment_of(home).decisions.save(
        kind="promotion",
        challenger="1",
        champion=None,
        promoted=True,
        reason="v1 is the first model.",
        improvement=None,
        details={"criteria": []},
        run_id="",
        state="pending_approval",
    )
    said = pmmds(home, "approve", decision.decision_id, "--by", "Ada", PMMDS_PROMOTION_APPROVALS="2")
    assert (said.code, said.out) == (
        0,
        f"Decision {decision.decision_id} is approved by Ada. Another person must approve it too.\n",
    )
    assert f"{decision.decision_id} was approved by Ada at" in pmmds(home, "decisions").out
