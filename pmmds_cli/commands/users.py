"""The `pmmds users` commands, which manage who may sign in to the console with a password.

Not here: checks of names, passwords and roles (pmmds_core/stores/identity/users.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.roles import Role
    from pmmds_core.stores.identity.users import User

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="User name, in any case.")]
RoleOption = Annotated[str, typer.Option("--role", metavar="ROLE", help="viewer, operator or approver.")]
users_app = typer.Typer(help="Add, list and change the console's users.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(users_app, name="users")
    users_app.command("add", epilog="Example: pmmds users add ada --role approver")(add)
    users_app.command("list", epilog="Example: pmmds users list")(list_users)
    users_app.command("set-role", epilog="Example: pmmds users set-role ada --role operator")(set_role)
    users_app.command("set-password", epilog="Example: pmmds users set-password ada")(set_password)
    users_app.command("disable", epilog="Example: pmmds users disable ada")(disable)
    users_app.command("enable", epilog="Example: pmmds users enable ada")(enable)


def add(
    name: NameArgument,
    role: RoleOption,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Add an owner of API tokens who cannot sign in with a password.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Add a user. The password is read from a prompt or from standard input."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    parsed, deployment = role_named(role), _deployment()
    password = None if no_password else _password()
    with audited(deployment, origin(), "add", f"user {name}", f"Role {parsed.word}."):
        user = deployment.users.add(name, parsed, password)
    _print(user, f"User {user.name} is added with the role {user.role.word}.", json=json)


def list_users(json: JsonOption = False) -> None:
    """List the users with their roles."""
    users = _deployment().users.all()
    if json:
        print_json([_document(user) for user in users])
        return
    rows = [
        {
            "user": u.name,
            "role": u.role.word,
            "password": u.password_hash is not None,
            "enabled": u.is_enabled,
            "added (UTC)": f"{u.created_at:%Y-%m-%d %H:%M}",
        }
        for u in users
    ]
    print_table(rows, empty="There are no users. `pmmds users add NAME --role ROLE` adds one.")


def set_role(name: NameArgument, role: RoleOption, json: JsonOption = False) -> None:
    """Change a user's role, including the role in open sessions."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    parsed, deployment = role_named(role), _deployment()
    with audited(deployment, origin(), "set role", f"user {name}", f"Role {parsed.word}."):
        user = deployment.users.set_role(name, parsed)
    _print(user, f"User {user.name} has the role {user.role.word}.", json=json)


def set_password(name: NameArgument, json: JsonOption = False) -> None:
    """Change a user's password and end the user's sessions."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    deployment.users.get(name)
    password = _password()
    with audited(deployment, origin(), "set password", f"user {name}"):
        user = deployment.users.set_password(name, password)
    _print(user, f"The password of {user.name} is changed, and the user's sessions have ended.", json=json)


def disable(name: NameArgument, json: JsonOption = False) -> None:
    """Disable a user. The user's sessions end, and sign-ins and API tokens are rejected."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    with audited(deployment, origin(), "disable", f"user {name}"):
        user = deployment.users.disable(name)
    _print(user, f"User {user.name} is disabled.", json=json)


def enable(name: NameArgument, json: JsonOption = False) -> None:
    """Enable a disabled user."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    with audited(deployment, origin(), "enable", f"user {name}"):
        user = deployment.users.enable(name)
    _print(user, f"User {user.name} is enabled.", json=json)


def role_named(word: str) -> Role:
    """Return the role with this name. Raises UsageError if there is no such role."""
    from pmmds_core.errors import UsageError
    from pmmds_core.policies.roles import Role

    try:
        return Role.from_word(word)
    except KeyError:
        words = ", ".join(role.word for role in Role)
        raise UsageError(f"There is no role {word!r}.", next_step=f"Use --role with one of {words}.") from None


def _password() -> str:
    """Return the password from two prompts in a terminal, or else from the first line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _print(user: User, sentence: str, *, json: bool) -> None:
    if json:
        print_json(_document(user))
    else:
        print(sentence)


def _document(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role.word,
        "has_password": user.password_hash is not None,
        "created_at": user.created_at.isoformat(),
        "disabled_at": user.disabled_at and user.disabled_at.isoformat(),
    }


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()
