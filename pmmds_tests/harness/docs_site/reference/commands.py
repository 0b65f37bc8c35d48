"""The page of all commands with their arguments, options and examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from pmmds_cli.application import app
from pmmds_tests.harness.docs_site.reference.markdown import code, escaped, page, table


def commands_page() -> str:
    sections = [section(name, command) for name, command in sorted(command_tree())]
    return page("All commands and options", "the command-line program", *sections)


def command_tree() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, as typed."""
    for name, command in typer.main.get_group(app).commands.items():
        if isinstance(command, TyperGroup):
            yield from ((f"pmmds {name} {sub}", found) for sub, found in command.commands.items())
        else:
            yield f"pmmds {name}", command


def section(name: str, command: Any) -> str:
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    rows = [
        (code(spelling(p)), "" if p.default in (None, False, ()) else code(p.default), meaning(p)) for p in parameters
    ]
    options = table(("argument or option", "default", "meaning"), rows) if rows else ""
    example = f"```sh\n{command.epilog.removeprefix('Example: ').strip()}\n```" if command.epilog else ""
    return "\n\n".join(part for part in (f"## {name}", escaped(command.help or ""), options, example) if part)


def spelling(parameter: Any) -> str:
    """The option's names, or the argument's name in capitals."""
    if parameter.param_type_name == "argument":
        return str(parameter.human_readable_name).upper()
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def meaning(parameter: Any) -> str:
    return str(getattr(parameter, "help", "") or "")
