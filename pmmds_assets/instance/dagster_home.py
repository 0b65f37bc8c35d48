"""DAGSTER_HOME: a folder in the state directory with the instance file for the configured storage.

This module does not import Dagster, because commands use it before they start Dagster.
"""

from __future__ import annotations

from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.errors import HomeNotWritableError
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.runtime.private_folders import make_private

INSTANCE_FILE = "dagster.yaml"
MODULE = "pmmds_assets.definitions"
URL_VARIABLE = "PMMDS_DAGSTER_DATABASE_URL"
# dagster.yaml cannot select its storage by an environment variable, so each kind of storage has its own file.
_MADE = "# Made by PMMDS from its dagster.yaml, with another storage; replaced at each start.\n"
# The first line of files that earlier versions generated.
_MADE_EARLIER = "# Made by PMMDS from its dagster.yaml, with PostgreSQL for storage; replaced at each start.\n"
_POSTGRESQL = f"""
storage:
  postgres:
    postgres_url:
      env: {URL_VARIABLE}
"""
_ESCAPED_SQLITE = """
storage:
  custom:
    module: pmmds_assets.dagster_internals
    class: EscapedSqliteStorage
    config:
      base_dir:
        env: DAGSTER_HOME
"""


def dagster_variables(settings: Settings) -> dict[str, str]:
    """Create DAGSTER_HOME and return the environment variables for a process.

    The instance file never contains the database URL.

    Raises:
        HomeNotWritableError: the folder is not writable.
    """
    variables = {"DAGSTER_HOME": str(prepare_dagster_home(settings))}
    if settings.dagster_database_url:
        variables[URL_VARIABLE] = settings.resolved_dagster_database_url
    return variables


def prepare_dagster_home(settings: Settings) -> Path:
    """Create DAGSTER_HOME and its instance file. A user's own file is not changed.

    Raises:
        HomeNotWritableError: the folder is not writable.
    """
    home = settings.home_path / "dagster"
    file = home / INSTANCE_FILE
    try:
        make_private(settings.home_path)
        home.mkdir(exist_ok=True)
        storage = _storage(settings, home)
        if storage:
            _write(file, storage)
        else:
            _link(file)
    except FileExistsError:
        pass  # Another process created the file at the same time.
    except OSError as error:
        raise HomeNotWritableError(
            f"The folder {home} cannot be written: {error.strerror}.",
            next_step="Set PMMDS_HOME to a writable folder.",
        ) from None
    return home


def _storage(settings: Settings, home: Path) -> str:
    """Return the storage section for dagster.yaml.

    The section is empty for Dagster's own SQLite, which cannot handle % or ? in a path.
    """
    if settings.dagster_database_url:
        return _POSTGRESQL
    return _ESCAPED_SQLITE if set("%?") & set(str(home)) else ""


def _link(file: Path) -> None:
    if (file.is_symlink() and not file.exists()) or _is_made(file):
        file.unlink(missing_ok=True)  # The linked checkout has moved, or the storage was PostgreSQL.
    if not file.exists():
        file.symlink_to(instance_file())


def _write(file: Path, storage: str) -> None:
    wanted = _MADE + instance_file().read_text(encoding="utf-8") + storage
    if file.is_symlink():
        file.unlink(missing_ok=True)
    if not file.exists() or (_is_made(file) and file.read_text(encoding="utf-8") != wanted):
        write_atomically(file, wanted.encode())


def _is_made(file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    return file.read_text(encoding="utf-8").startswith((_MADE, _MADE_EARLIER))


def instance_file() -> Path:
    """Return the path of dagster.yaml, which is at the top of a checkout or inside the installed package."""
    package = Path(__file__).resolve().parent.parent
    beside = package.parent / INSTANCE_FILE
    return beside if beside.exists() else package / INSTANCE_FILE
