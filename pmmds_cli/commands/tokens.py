"""The `pmmds tokens` commands, which manage API tokens for programs that call the console's API.

Not here: checks of roles and lifetimes (pmmds_core/stores/identity/tokens.py).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.commands.users import NameArgument, RoleOption, role_named
from pmmds_cli.output.console import MAX_ID, JsonOption, print_json, print_table, say

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.identity.tokens import ApiToken

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
tokens_app = typer.Typer(help="Create, list and revoke users' API tokens.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(tokens_app, name="tokens")
    tokens_app.command("create", epilog="Example: pmmds tokens create ada --role viewer --expires 90d")(create)
    tokens_app.command("list", epilog="Example: pmmds tokens list")(list_tokens)
    tokens_app.command("revoke", epilog="Example: pmmds tokens revoke 3")(revoke)


def create(
    name: NameArgument,
    role: RoleOption,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="Lifetime, such as 90d or 12h, at most 366d.")
    ] = "90d",
    json: JsonOption = False,
) -> None:
    """Create an API token for a user and print the token, which cannot be shown again."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    parsed, lifetime, deployment = role_named(role), _lifetime(expires), _deployment()
    with audited(deployment, origin(), "create token", f"user {name}", f"Role {parsed.word}, expires in {expires}."):
        token, secret = deployment.tokens.create(name, parsed, lifetime)
    if json:
        print_json({**_document(token), "token": secret})
        return
    print(secret)
    say(f"API token {token.token_id} of {token.owner}: {token.role.word}, until {token.expires_at:%Y-%m-%d %H:%M} UTC.")
    say("Store the token now, because PMMDS keeps only its digest.")


def list_tokens(json: JsonOption = False) -> None:
    """List API tokens, without their secrets."""
    tokens = _deployment().tokens.all()
    if json:
        print_json([_document(token) for token in tokens])
        return
    rows = [
        {
            "token": t.token_id,
            "owner": t.owner,
            "role": t.role.word,
            "expires (UTC)": f"{t.expires_at:%Y-%m-%d %H:%M}",
            "revoked (UTC)": t.revoked_at and f"{t.revoked_at:%Y-%m-%d %H:%M}",
        }
        for t in tokens
    ]
    print_table(rows, empty="There are no API tokens. `pmmds tokens create NAME --role ROLE` creates one.")


def revoke(
    token_id: Annotated[
        int, typer.Argument(metavar="TOKEN", max=MAX_ID, help="Number of the token. See `pmmds tokens list`.")
    ],
    json: JsonOption = False,
) -> None:
    """Revoke an API token. The next request with the token is rejected."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    with audited(deployment, origin(), "revoke", f"token {token_id}"):
        token = deployment.tokens.revoke(token_id)
    if json:
        print_json(_document(token))
    else:
        print(f"API token {token.token_id} of {token.owner} is revoked.")


def _lifetime(text: str) -> timedelta:
    """Return a text such as `90d`, `12h` or `30m` as a duration. Raises UsageError if the text is not a duration."""
    from pmmds_core.errors import UsageError

    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text.strip())
    if match is None:
        raise UsageError(f"--expires {text!r} is not a lifetime.", next_step="Use a value such as 90d, 12h or 30m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _document(token: ApiToken) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "owner": token.owner,
        "role": token.role.word,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "revoked_at": token.revoked_at and token.revoked_at.isoformat(),
    }


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()
