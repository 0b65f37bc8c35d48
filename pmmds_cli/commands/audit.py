"""The `pmmds audit` command, which shows who changed or tried to change what.

Not here: recording it (pmmds_core/workflows/auditing.py).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, LimitOption, print_json, print_table

if TYPE_CHECKING:
    from pmmds_core.stores.identity.audit import AuditEvent


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds audit --since 2026-03-01")(audit)


def audit(
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Only events since this UTC day or ISO 8601 time.")
    ] = "",
    limit: LimitOption = 50,
    json: JsonOption = False,
) -> None:
    """List changes, refused requests and sign-ins, newest first."""
    from pmmds_core.deployment import Deployment

    start = _instant(since) if since else None
    events = Deployment.from_environment().audit.recent(limit, since=start)
    if json:
        print_json([{**asdict(e), "at": e.at.isoformat()} for e in events])
        return
    print_table([_row(e) for e in events], empty="No audit events.", width=80)


def _row(event: AuditEvent) -> dict[str, object]:
    who = f"{event.actor or 'unknown'} ({event.method or 'no credentials'})"
    return {
        "at (UTC)": f"{event.at:%Y-%m-%d %H:%M}",
        "who": f"{who} from {event.address}" if event.address else who,
        "what": f"{event.action} {event.target}".strip(),
        "outcome": event.outcome,
        "detail": event.detail or None,
    }


def _instant(text: str) -> datetime:
    """Return a UTC day or a time as an aware datetime.

    A time without a time zone is read as UTC. Raises UsageError if the text is neither.
    """
    from pmmds_core.errors import UsageError

    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since {text!r} is not a time.", next_step="Use a value such as 2026-03-01 or 2026-03-01T12:00:00Z."
        ) from None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
