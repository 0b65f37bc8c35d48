"""The `pmmds webhooks` commands, which manage the targets that receive signed events.

Not here: sending (pmmds_core/stores/lifecycle/webhook_sender.py).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from pmmds_cli.output.console import JsonOption, LimitOption, print_json, print_table
from pmmds_cli.output.exit_codes import ExitCode

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment

webhooks_app = typer.Typer(help="Create a secret, test the targets and list undelivered events.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(webhooks_app, name="webhooks")
    webhooks_app.command("secret", epilog="Example: pmmds webhooks secret")(new_secret)
    webhooks_app.command("test", epilog="Example: pmmds webhooks test")(send_test)
    webhooks_app.command("list", epilog="Example: pmmds webhooks list")(list_undelivered)


def new_secret() -> None:
    """Print a new random secret for PMMDS_WEBHOOK_SECRET and the receiver."""
    import base64
    import secrets  # both only here, because their imports slow down `pmmds --help`

    print(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")


def send_test(json: JsonOption = False) -> None:
    """Send the event `webhook.test` to every target now. Exits with code 1 if a target does not accept the event."""
    results = _results(_deployment())
    if json:
        print_json([{"target": name, "problem": problem} for name, problem in results.items()])
    else:
        rows = [{"target": name, "result": problem or "accepted"} for name, problem in results.items()]
        print_table(rows, empty="PMMDS_WEBHOOK_URLS is not set.")
    if any(results.values()):
        raise typer.Exit(ExitCode.FAILURE)


def _results(deployment: Deployment) -> dict[str, str | None]:
    """Return why each target did not accept the event, indexed by target.

    The value is None if the target accepted the event.
    """
    import asyncio

    from pmmds_core.config.webhooks import words_of
    from pmmds_core.stores.lifecycle.publisher import trial_body
    from pmmds_core.stores.lifecycle.webhook_sender import name_of, post

    body, signing = trial_body(deployment.model_name), words_of(deployment.settings.webhook_secret)
    urls = enumerate(deployment.webhook_urls, start=1)
    return {name_of(i, url): asyncio.run(post(url, body, signing)) for i, url in urls}


def list_undelivered(limit: LimitOption = 20, json: JsonOption = False) -> None:
    """List events that a target has not accepted, newest first."""
    deployment = _deployment()
    events = deployment.outbox.undelivered_webhooks(limit)
    if json:
        print_json([asdict(event) for event in events])
        return
    rows = [
        {
            "event": event.kind,
            "state": event.state.replace("_", " "),
            "attempts": event.attempts,
            "next attempt (UTC)": f"{event.due_at:%Y-%m-%d %H:%M}" if event.state == "pending" else None,
            "problem": event.last_error,
        }
        for event in events
    ]
    print_table(rows, empty="Every event was delivered.")


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()
