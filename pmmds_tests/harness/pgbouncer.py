"""Runs a real PgBouncer in transaction mode in front of a test's PostgreSQL. Not here: tables and rows."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.postgres import Cluster, unprivileged_user
from pmmds_tests.harness.system_programs import system_program

_FILE = """[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(cluster: Cluster) -> Iterator[int]:
    """Run PgBouncer within the block and yield its port.

    The user is ann with the password `secret`. Skip the test if PgBouncer is not installed.
    """
    program = system_program("pgbouncer")
    folder, port = Path(tempfile.mkdtemp(prefix="pmmds-pgb-")), free_port()
    (folder / "users").write_text('"ann" "secret"\n')
    (folder / "ini").write_text(_FILE.format(server_port=cluster.port, port=port, folder=folder))
    user = unprivileged_user() if os.geteuid() == 0 else None
    if user is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    command = [program, "-q", str(folder / "ini")]
    process = subprocess.Popen(command, user=user.pw_uid if user else None, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield port
    finally:
        process.kill()  # After SIGTERM, it would wait until its clients have disconnected.
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("PgBouncer does not listen")
