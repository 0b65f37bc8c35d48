"""Requests that change something, as a browser and as a program send them; open alerts and decisions."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.stores.lifecycle.alerts import Alert
from pmmds_tests.console.stored_rows import add_reports
from pmmds_tests.harness.console_process import BASE, RunningConsole

BROWSER = {"Accept": "text/html"}


def open_alert(deployment: Deployment) -> Alert:
    """An open alert on version 1, with its report."""
    if deployment.drift.get(1) is None:
        add_reports(deployment.database, deployment.model_name, 1)
    return deployment.alerts.raise_or_extend(
        model_name=deployment.model_name, model_version="1", report_id=1, severity="major", message="tenure moved."
    )


def live(deployment: Deployment) -> str:
    pointer = deployment.decisions.pointer()
    assert pointer is not None
    return pointer.version


def pending(deployment: Deployment) -> Decision:
    """A decision to promote the version that is not in production."""
    champion = live(deployment)
    challenger = {"1": "2", "2": "1"}[champion]
    return deployment.decisions.save(
        kind="promotion",
        challenger=challenger,
        champion=champion,
        promoted=True,
        reason=f"v{challenger} is better than v{champion}.",
        improvement=0.01,
        details={},
        run_id="",
        state=PENDING_APPROVAL,
    )


def form_token(console: RunningConsole, cookies: Mapping[str, str] | None = None) -> str:
    """The form token that the pages of this caller have."""
    answer = httpx.get(f"{console.url}{BASE}/me", cookies=dict(cookies or {}), timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["form_token"])


def send_form(
    console: RunningConsole,
    path: str,
    fields: Mapping[str, str],
    *,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The response to a form that a browser sends. `fields` includes the form token."""
    sent = {**BROWSER, **(headers or {})}
    return httpx.post(
        f"{console.url}{path}",
        data=dict(fields),
        headers=sent,
        cookies=dict(cookies or {}),
        timeout=60,
        trust_env=False,
    )


def send_json(
    console: RunningConsole, path: str, body: object, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """The response to a change that a program sends."""
    return httpx.post(f"{console.url}{BASE}{path}", json=body, headers=dict(headers or {}), timeout=60, trust_env=False)
