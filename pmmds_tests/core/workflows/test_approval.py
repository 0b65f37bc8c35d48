"""One or two people approve a promotion; exactly one promotion follows. On each engine, with real processes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import PENDING_APPROVAL, RECORDED, REJECTED, Decision
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.identity.audit import DONE, REFUSED, Origin
from pmmds_core.workflows.approval import approve, reject
from pmmds_core.workflows.auditing import audited
from pmmds_tests.harness.approvers import approve_at_once, deployment_with


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "moves"


@pytest.fixture
def two(database: Database, database_settings: Settings, registry: Path) -> Deployment:
    """A deployment that requires two approvals. `database` has the tables."""
    assert database.dialect in ("sqlite", "postgresql")
    return deployment_with(msgspec.structs.replace(database_settings, promotion_approvals=2), registry)


def pending(deployment: Deployment) -> Decision:
    """A first model that waits for approval."""
    return deployment.decisions.save(
        kind="promotion",
        challenger="1",
        champion=None,
        promoted=True,
        reason="v1 is the first model.",
        improvement=None,
        details={},
        run_id="",
        state=PENDING_APPROVAL,
    )


def moves(registry: Path) -> list[str]:
    return registry.read_text().split() if registry.exists() else []


def test_the_second_approval_by_another_person_promotes(two: Deployment, registry: Path) -> None:
    decision = pending(two)
    first = approve(two, decision.decision_id, by="Ada")
    assert (first.state, moves(registry)) == (PENDING_APPROVAL, [])
    assert [a.approved_by for a in two.decisions.approvals(decision.decision_id)] == ["Ada"]
    second = approve(two, decision.decision_id, by="Bob")
    assert (second.state, second.changed_by, moves(registry)) == (RECORDED, "Bob", ["1"])
    assert [a.approved_by for a in two.decisions.approvals(decision.decision_id)] == ["Ada", "Bob"]


@pytest.mark.parametrize("same", ["Ada", "ADA", " ada ", "\N{FULLWIDTH LATIN CAPITAL LETTER A}da"])
def test_one_person_cannot_approve_twice(two: Deployment, registry: Path, same: str) -> None:
    decision = pending(two)
    approve(two, decision.decision_id, by="Ada")
    with pytest.raises(UsageError, match="has already approved"):
        approve(two, decision.decision_id, by=same)
    assert moves(registry) == []
    assert len(two.decisions.approvals(decision.decision_id)) == 1


@pytest.mark.parametrize("name", ["admin", " Admin "])
def test_the_admin_token_is_not_one_of_two_people(two: Deployment, registry: Path, name: str) -> None:
    decision = pending(two)
    approve(two, decision.decision_id, by="Ada")
    with pytest.raises(UsageError, match="belongs to no person"):
        approve(two, decision.decision_id, by=name)
    assert [a.approved_by for a in two.decisions.approvals(decision.decision_id)] == ["Ada"]
    assert moves(registry) == []
    one = deployment_with(msgspec.structs.replace(two.settings, promotion_approvals=1), registry)
    assert approve(one, decision.decision_id, by=name).state == RECORDED


def test_one_rejection_rejects_whoever_approved(two: Deployment, registry: Path) -> None:
    decision = pending(two)
    approve(two, decision.decision_id, by="Ada")
    assert reject(two, decision.decision_id, by="Bob", reason="before the holidays").state == REJECTED
    with pytest.raises(UsageError, match="Only a pending_approval decision"):
        approve(two, decision.decision_id, by="Eve")
    assert moves(registry) == []


def test_one_approval_suffices_by_default(two: Deployment, registry: Path) -> None:
    one = deployment_with(msgspec.structs.replace(two.settings, promotion_approvals=1), registry)
    decision = pending(one)
    assert approve(one, decision.decision_id, by="Ada").state == RECORDED
    assert [a.approved_by for a in one.decisions.approvals(decision.decision_id)] == ["Ada"]


def test_a_lower_number_of_approvals_applies_to_pending_decisions(two: Deployment, registry: Path) -> None:
    decision = pending(two)
    approve(two, decision.decision_id, by="Ada")
    one = deployment_with(msgspec.structs.replace(two.settings, promotion_approvals=1), registry)
    assert approve(one, decision.decision_id, by="Ada").state == RECORDED


@pytest.mark.process
@pytest.mark.parametrize("people", [("Ada", "Bob"), ("Ada", "Bob", "Eve"), ("Ada", "ADA")])
def test_people_who_approve_at_once_promote_once(two: Deployment, registry: Path, people: tuple[str, ...]) -> None:
    decision = pending(two)
    states = approve_at_once(two.settings, registry, decision.decision_id, people)
    n_people = len({name.casefold() for name in people})
    expected = {
        (PENDING_APPROVAL, RECORDED): 2,
        (PENDING_APPROVAL, RECORDED, "UsageError"): 3,
        (PENDING_APPROVAL, "UsageError"): 1,
    }
    assert expected[tuple(sorted(states.values(), key=lambda s: (s == "UsageError", s)))] == n_people
    assert moves(registry) == (["1"] if n_people > 1 else [])
    found = two.decisions.get(decision.decision_id)
    assert found is not None
    assert found.fencing_token == (1 if n_people > 1 else None)


@pytest.mark.process
def test_two_people_at_once_promote_once_if_one_suffices(two: Deployment, registry: Path) -> None:
    settings = msgspec.structs.replace(two.settings, promotion_approvals=1)
    decision = pending(two)
    states = approve_at_once(settings, registry, decision.decision_id, ("Ada", "Bob"))
    assert sorted(states.values()) == ["UsageError", RECORDED]
    assert moves(registry) == ["1"]


def test_changes_and_refusals_are_audit_events(two: Deployment) -> None:
    decision = pending(two)
    origin = Origin("Ada", "password", "192.0.2.1")
    for _ in range(2):
        try:
            with audited(two, origin, "approve", f"decision {decision.decision_id}", "fine"):
                approve(two, decision.decision_id, by="Ada")
        except UsageError as error:
            refusal = error.message
    refused, done = two.audit.recent()
    assert (done.outcome, done.detail, done.address) == (DONE, "fine", "192.0.2.1")
    assert (refused.outcome, refused.detail) == (REFUSED, refusal)
