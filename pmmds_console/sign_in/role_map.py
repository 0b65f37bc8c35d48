"""The role that a proxy or an identity provider gives a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pmmds_core.config.settings import Settings
from pmmds_core.config.values import comma_list
from pmmds_core.errors import SettingError
from pmmds_core.policies.roles import Role

_WORDS = {role.word: role for role in Role}


def role_map(text: str) -> Mapping[str, Role]:
    """The role by value, from PMMDS_CONSOLE_ROLE_MAP; if it is empty, the values are roles. Raises SettingError."""
    found = {}
    for entry in comma_list(text):
        value, _, word = (part.strip() for part in entry.rpartition("="))
        if not value or word not in _WORDS:
            raise SettingError(
                f"PMMDS_CONSOLE_ROLE_MAP has the entry {entry!r}, which is not valid.",
                next_step=f"Write VALUE=ROLE with one of the roles {', '.join(_WORDS)}.",
            )
        found[value] = _WORDS[word]
    return found or _WORDS


def role_of(values: Iterable[str], settings: Settings) -> Role | None:
    """The highest role of these values, else the default role; None if the person has none."""
    mapped = role_map(settings.console_role_map)
    roles = [mapped[value] for value in values if value in mapped]
    return max(roles, default=_WORDS.get(settings.console_default_role))
