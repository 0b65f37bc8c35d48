"""The audit events in the monitoring API, the Python client and the page `/audit`, by a real console on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa

import pmmds
from pmmds.errors import NotAllowedError
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import audit_events
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.html_links import parse_html

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console audit")]
START = datetime(2026, 3, 1, tzinfo=UTC)
PATH = "/audit-events"


@pytest.fixture
def console(deployment: Deployment) -> Iterator[RunningConsole]:
    settings = deployment.settings
    given = {"PMMDS_DATABASE_URL": settings.database_url, "PMMDS_CONSOLE_SIGN_IN": "users"}
    with running_console(console_environment(settings.home, **given)) as running:
        yield running


def token_of(deployment: Deployment, role: Role) -> str:
    deployment.users.add(role.word, role, None)
    return deployment.tokens.create(role.word, role, timedelta(days=1))[1]


def add_events(database: Database, n_events: int, *, first: int = 0) -> None:
    """Insert hourly events. Ada acts in every event, except that every fifth is a refused sign-in of nobody."""
    rows = [
        {
            "at": START + timedelta(hours=i),
            "actor": "" if i % 5 == 0 else "ada",
            "method": "password",
            "address": "192.0.2.1",
            "action": "sign in" if i % 5 == 0 else "approve",
            "target": f"decision {i}",
            "outcome": "refused" if i % 5 == 0 else "done",
            "detail": "",
        }
        for i in range(first, first + n_events)
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(audit_events), rows)


def items(console: RunningConsole, reference: str, token: str) -> tuple[list[dict[str, Any]], str | None]:
    answer = console.get(f"{PATH}{reference}", {"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], answer.json()["next"]


def test_pages_show_each_event_once_while_events_are_added(
    console: RunningConsole, deployment: Deployment, database: Database
) -> None:
    token = token_of(deployment, Role.APPROVER)
    add_events(database, 25)
    seen, following, first = [], "?limit=7", 25
    while True:
        rows, reference = items(console, following, token)
        seen += [row["target"] for row in rows]
        add_events(database, 3, first=first)
        first += 3
        if reference is None:
            break
        following = reference
    assert seen == [f"decision {i}" for i in range(24, -1, -1)]


def test_filters_select_the_same_events_as_pandas(
    console: RunningConsole, deployment: Deployment, database: Database
) -> None:
    token = token_of(deployment, Role.APPROVER)
    add_events(database, 40)
    with database.connect() as connection:
        stored = pd.read_sql(sa.select(audit_events).order_by(sa.desc("event_id")), connection)
    stored["at"] = pd.to_datetime(stored["at"], utc=True).astype("datetime64[ns, UTC]")
    since, until = START + timedelta(hours=10), START + timedelta(hours=31)
    in_time = stored[(stored["at"] >= since) & (stored["at"] < until)]
    with pmmds.connect(console.url, token) as monitoring:
        found = monitoring.audit_events(since=since, until=until, outcome="refused").to_pandas()
        pd.testing.assert_frame_equal(found, in_time[in_time["outcome"] == "refused"].reset_index(drop=True))
        assert found["target"].tolist() == [f"decision {i}" for i in (30, 25, 20, 15, 10)]
        found = monitoring.audit_events(since=since, until=until, actor="ada", action="approve").to_pandas()
        pd.testing.assert_frame_equal(found, in_time[in_time["actor"] == "ada"].reset_index(drop=True))
        assert [event.target for event in monitoring.audit_events(limit=2)] == ["decision 39", "decision 38"]
    assert items(console, f"?outcome=done&limit=500&since={since:%Y-%m-%dT%H:%M:%SZ}", token)[1] is None


def test_only_approvers_read_the_events_and_a_refusal_is_recorded(
    console: RunningConsole, deployment: Deployment
) -> None:
    assert console.get(PATH).status_code == 401
    for role in (Role.VIEWER, Role.OPERATOR):
        token = token_of(deployment, role)
        sentence = f"{role.word} has the role {role.word}; this action requires the role approver."
        answer = console.get(PATH, {"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert answer.json()["detail"] == sentence
        event = deployment.audit.recent(1)[0]
        assert (event.actor, event.outcome, event.target) == (role.word, "refused", f"/api/v1/monitoring{PATH}")
        assert event.detail == sentence
        with pmmds.connect(console.url, token) as monitoring, pytest.raises(NotAllowedError, match=sentence):
            monitoring.audit_events()
        page = httpx.get(
            f"{console.url}/audit",
            headers={**BROWSER, "Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )
        assert page.status_code == 403
        assert sentence in page.text
        assert deployment.audit.recent(1)[0].detail == sentence


def test_the_page_has_the_same_filters_and_leads_to_older_events(
    console: RunningConsole, deployment: Deployment, database: Database
) -> None:
    add_events(database, 300)
    headers = {**BROWSER, "Authorization": f"Bearer {token_of(deployment, Role.APPROVER)}"}
    seen: list[str] = []
    following = "/audit?outcome=done&actor=ada"
    while following:
        page = httpx.get(console.url + following, headers=headers, timeout=60, trust_env=False)
        assert page.status_code == 200
        seen += [text for text in page.text.replace("<", ">").split(">") if text.startswith("decision ")]
        older = [link for link in parse_html(page.text).links if "before=" in link]
        following = f"/audit{older[0]}" if older else ""
    assert seen == [f"decision {i}" for i in range(299, -1, -1) if i % 5]
