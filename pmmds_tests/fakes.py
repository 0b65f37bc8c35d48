"""Hand-written fakes of what is slow or outside. Each behaves as the real thing does where tests look."""

from __future__ import annotations

from pmmds_core.errors import RegistryUnavailableError
from pmmds_core.stores.model_registry import ModelRegistry, RegisteredVersion


class FakeRegistry(ModelRegistry):
    """Aliases in memory. `is_down`: every call fails as with MLflow away; `moves` records what was moved when."""

    def __init__(self) -> None:
        super().__init__("fake://")
        self.aliases: dict[str, str] = {}
        self.moves: list[tuple[str, str]] = []
        self.is_down = False

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        self._answer()
        version = self.aliases.get(alias)
        return (
            None if version is None else RegisteredVersion(model_name, version, f"run-{version}", f"digest-{version}")
        )

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        self._answer()
        self.aliases[alias] = version
        self.moves.append((alias, version))

    def _answer(self) -> None:
        if self.is_down:
            raise RegistryUnavailableError("MLflow does not answer.")
