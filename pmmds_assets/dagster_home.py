"""DAGSTER_HOME: a folder of the state directory with the project's dagster.yaml linked in.

Keep out: anything that imports Dagster; commands call this before they start it.
"""

from __future__ import annotations

from pathlib import Path

from pmmds_core.errors import HomeNotWritableError
from pmmds_core.settings import Settings

INSTANCE_FILE = "dagster.yaml"
MODULE = "pmmds_assets.definitions"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME and link the instance file into it; a file that a person put there stays.

    Raises:
        HomeNotWritableError: the folder cannot be written.
    """
    home = settings.home_path / "dagster"
    link = home / INSTANCE_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and not link.exists():
            link.unlink()  # the checkout it pointed to has moved
        if not link.exists():
            link.symlink_to(instance_file())
    except FileExistsError:
        pass  # another process was as fast
    except OSError as error:
        raise HomeNotWritableError(
            f"The folder {home} cannot be written: {error.strerror}.",
            next_step="Point PMMDS_HOME at a folder that can be written.",
        ) from None
    return home


def instance_file() -> Path:
    """The project's dagster.yaml: at the top of a checkout, inside the package of an installed wheel."""
    package = Path(__file__).resolve().parent
    beside = package.parent / INSTANCE_FILE
    return beside if beside.exists() else package / INSTANCE_FILE
