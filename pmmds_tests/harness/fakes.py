"""Fakes of slow or external components for unit tests. Each fake imitates the behavior that the tests check."""

from __future__ import annotations

from pathlib import Path

from pmmds_core.errors import NoModelError, RegistryUnavailableError
from pmmds_core.stores.artifacts.model_registry import ModelRegistry, RegisteredVersion


class FakeRegistry(ModelRegistry):
    """An in-memory registry.

    `moves` records each alias move. The registry becomes unavailable after `n_answers_left` calls. With
    `loses_next_answer`, the next move succeeds but the call fails. `changed` contains the versions whose files changed.
    """

    def __init__(self) -> None:
        super().__init__("fake://")
        self.aliases: dict[str, str] = {}
        self.moves: list[tuple[str, str]] = []
        self.deleted: set[str] = set()
        self.n_answers_left: int | None = None
        self.loses_next_answer = False
        self.changed: set[str] = set()

    def files_digest(self, model_name: str, version: str) -> str:
        return f"files-{version}{'-changed' if version in self.changed else ''}"

    def get_version(self, model_name: str, version: str) -> RegisteredVersion:
        self._answer()
        if version in self.deleted:
            raise NoModelError(f"{model_name} has no version {version}.")
        return RegisteredVersion(model_name, version, f"run-{version}", f"digest-{version}")

    def delete(self, version: str) -> None:
        """Delete a version and its aliases, in the same way as MLflow."""
        self.deleted.add(version)
        self.aliases = {alias: v for alias, v in self.aliases.items() if v != version}

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
        if self.loses_next_answer:
            self.loses_next_answer = False
            raise RegistryUnavailableError("MLflow did not respond.")

    def _answer(self) -> None:
        if self.n_answers_left is None:
            return
        if self.n_answers_left == 0:
            raise RegistryUnavailableError("MLflow did not respond.")
        self.n_answers_left -= 1


class FileRegistry(ModelRegistry):
    """A registry with one alias, in a file that several processes share.

    Each move adds a line, and the last line is the current one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("file://")
        self.path = path

    @property
    def moves(self) -> list[str]:
        """Return the versions to which the alias was moved, oldest first."""
        return self.path.read_text().split() if self.path.exists() else []

    def get_version(self, model_name: str, version: str) -> RegisteredVersion:
        return RegisteredVersion(model_name, version, f"run-{version}", f"digest-{version}")

    def version_of(self, model_name: str, alias: str) -> RegisteredVersion | None:
        moves = self.moves
        return self.get_version(model_name, moves[-1]) if moves else None

    def files_digest(self, model_name: str, version: str) -> str:
        return f"files-{version}"

    def move_alias(self, model_name: str, alias: str, version: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{version}\n")
