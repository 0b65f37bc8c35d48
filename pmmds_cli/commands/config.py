"""The `pmmds config` command, which lists the settings with their values, origins and places in pmmds.toml.

Not here: reading settings (pmmds_core/config).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import setting_keys
from pmmds_cli.output.console import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from pmmds_core.config.listing import SettingInfo

OriginOption = Annotated[
    bool, typer.Option("--show-origin", help="Show the origin of each value: a variable, FILE:LINE or default.")
]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds config --show-origin")(config)


def config(
    key: Annotated[
        str,
        typer.Argument(
            metavar="[KEY]",
            help="Print one value: drift.psi_threshold or PMMDS_DRIFT_PSI_THRESHOLD.",
            autocompletion=setting_keys,
        ),
    ] = "",
    show_origin: OriginOption = False,
    json: JsonOption = False,
) -> None:
    """List every setting with its place in pmmds.toml, value and description, or print one setting's value."""
    from pmmds_core.config.listing import describe, find_setting

    rows = describe()
    if key:
        _print_one(find_setting(rows, key), show_origin=show_origin, json=json)
    elif json:
        print_json([_document(row) for row in rows])
    else:
        print_table([_table_row(row, show_origin=show_origin) for row in rows], empty="")


def _print_one(row: SettingInfo, *, show_origin: bool, json: bool) -> None:
    if json:
        print_json(_document(row))
    else:
        print(f"{row.value}\t{row.origin}" if show_origin else row.value)


def _document(row: SettingInfo) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _table_row(row: SettingInfo, *, show_origin: bool) -> dict[str, str]:
    shown = {"setting": row.variable, "pmmds.toml": row.path, "value": row.value or "–"}
    if show_origin:
        return {**shown, "origin": row.origin}
    return {**shown, "": "set" if row.is_set else "default", "meaning": row.description}
