"""DAGSTER_HOME: a folder of the state directory with the instance file for the chosen storage in it.

Keep out: anything that imports Dagster; commands call this before they start it.
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
# One file cannot choose its storage by a variable, so there is one of each kind.
_MADE = "# Made by PMMDS from its dagster.yaml, with PostgreSQL for storage; replaced at each start.\n"
_POSTGRESQL = f"""
storage:
  postgres:
    postgres_url:
      env: {URL_VARIABLE}
"""


def dagster_variables(settings: Settings) -> dict[str, str]:
    """What a process needs to find the instance; makes its home. The URL stands in a variable, never in the file.

    Raises:
        HomeNotWritableError: the folder cannot be written.
    """
    variables = {"DAGSTER_HOME": str(prepare_dagster_home(settings))}
    if settings.dagster_database_url:
        variables[URL_VARIABLE] = settings.resolved_dagster_database_url
    return variables


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME and its instance file; a file that a person put there stays.

    Raises:
        HomeNotWritableError: the folder cannot be written.
    """
    home = settings.home_path / "dagster"
    file = home / INSTANCE_FILE
    try:
        make_private(settings.home_path)
        home.mkdir(exist_ok=True)
        if settings.dagster_database_url:
            _write_for_postgresql(file)
        else:
            _link(file)
    except FileExistsError:
        pass  # another process was as fast
    except OSError as error:
        raise HomeNotWritableError(
            f"The folder {home} cannot be written: {error.strerror}.",
            next_step="Point PMMDS_HOME at a folder that can be written.",
        ) from None
    return home


def _link(file: Path) -> None:
    if (file.is_symlink() and not file.exists()) or _is_made(file):
        file.unlink(missing_ok=True)  # the checkout it pointed to has moved, or the storage was PostgreSQL
    if not file.exists():
        file.symlink_to(instance_file())


def _write_for_postgresql(file: Path) -> None:
    wanted = _MADE + instance_file().read_text(encoding="utf-8") + _POSTGRESQL
    if file.is_symlink():
        file.unlink(missing_ok=True)
    if not file.exists() or (_is_made(file) and file.read_text(encoding="utf-8") != wanted):
        write_atomically(file, wanted.encode())


def _is_made(file: Path) -> bool:
    return file.is_file() and not file.is_symlink() and file.read_text(encoding="utf-8").startswith(_MADE)


def instance_file() -> Path:
    """The project's dagster.yaml: at the top of a checkout, inside the package of an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    beside = package.parent / INSTANCE_FILE
    return beside if beside.exists() else package / INSTANCE_FILE
