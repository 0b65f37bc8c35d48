"""Runs a PostgreSQL server for tests in a temporary folder, which is removed afterwards.

Not here: finding its programs (postgres_programs.py), tables and rows.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from pmmds_tests.harness.certificates import Certificates
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.postgres_programs import find_programs, put_on_path, runnable_by

_SIZES = "-c max_connections=60 -c shared_buffers=64MB"
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


@dataclass(frozen=True)
class Cluster:
    """A running server. `url` is the URL of its maintenance database."""

    port: int
    _runner: _Runner

    def stop(self) -> None:
        """Disconnect all clients and stop the server.

        Committed rows are kept, even though the server never syncs them.
        """
        self._runner.stop("fast")

    def kill(self) -> None:
        """Kill the server (SIGKILL). Transactions committed with synchronous_commit=on remain in its log."""
        self._runner.kill()

    def start(self) -> None:
        """Restart the server on the same port."""
        self._runner.start(self.port)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def fresh_database(self, template: str = "template1") -> Iterator[str]:
        """Yield the URL of a new database that is dropped afterwards: a copy of `template`, by default an empty one."""
        name = f"pmmds_{uuid.uuid4().hex[:12]}"
        self._maintain(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url_of(name)
        finally:
            self._maintain(f"DROP DATABASE {name} WITH (FORCE)")

    def _maintain(self, statement: str) -> None:
        url = sa.make_url(self.url).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def temporary_cluster(certificates: Certificates | None = None, *, syncs: bool = False) -> Iterator[Cluster]:
    """Run a server on a free port, then stop it and remove its files. The server's pg_dump and psql come first on PATH.

    Args:
        certificates: the certificates. If given, the server accepts only TLS connections.
        syncs: whether to use fsync like a production server, which is slower.

    Raises:
        PostgresMissingError: the programs are missing. The message explains how to install them.
    """
    programs = find_programs()
    put_on_path(programs)
    folder = Path(tempfile.mkdtemp(prefix="pmmds-pg-"))
    port = free_port()
    runner = _Runner(programs, folder, certificates, syncs=syncs)
    try:
        runner.prepare()
        runner.start(port)
        yield Cluster(port, runner)
    finally:
        runner.stop()
        shutil.rmtree(folder, ignore_errors=True)


class _Runner:
    """A server whose programs run as an unprivileged user, because PostgreSQL refuses to run as root."""

    def __init__(self, programs: Path, folder: Path, certificates: Certificates | None, *, syncs: bool) -> None:
        self._certificates = certificates
        self._options = _SIZES if syncs else f"{_SIZES} {_FAST}"
        self._folder = folder
        self._data = folder / "data"
        self._user = unprivileged_user() if os.geteuid() == 0 else None
        self._programs = programs if self._user is None else runnable_by(self._user, programs)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def prepare(self) -> None:
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        if self._certificates is not None:
            self._keep(self._certificates.server, "server.crt")
            self._keep(self._certificates.key, "server.key")
            (self._data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")

    def _keep(self, source: Path, name: str) -> None:
        """Copy a file so that only the server's user can read the copy, which PostgreSQL requires for a key."""
        kept = self._data / name
        kept.write_bytes(source.read_bytes())
        kept.chmod(0o600)
        if self._user is not None:
            os.chown(kept, self._user.pw_uid, self._user.pw_gid)

    def start(self, port: int) -> None:
        options = (
            f"-p {port} -h 127.0.0.1 -k {self._folder} {self._options}{' -c ssl=on' if self._certificates else ''}"
        )
        log = self._folder / "server.log"
        try:
            self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "120", "-l", str(log), "-o", options, "start")
        except RuntimeError as error:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{error}\n{said}") from None

    def kill(self) -> None:
        """Kill the postmaster and wait for its child processes, which then exit."""
        file = self._data / "postmaster.pid"
        children = psutil.Process(int(file.read_text().splitlines()[0])).children()
        os.kill(int(file.read_text().splitlines()[0]), signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=120)
        assert alive == [], "the server cannot restart before its child processes have exited"

    def stop(self, mode: str = "immediate") -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "300", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        uid, gid = (None, None) if self._user is None else (self._user.pw_uid, self._user.pw_gid)
        output = self._folder / f"{program}.out"
        with output.open("w") as stream:  # A pipe would stay open as long as the server runs.
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {output.read_text(errors='replace')}")


def unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it.")
