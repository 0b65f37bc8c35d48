"""The process supervisor (supervisord): its configuration, and calls over its socket.

Not here: the processes (definitions.py) and what commands print.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pmmds_cli.processes.definitions import Process
from pmmds_core.config.settings import Settings
from pmmds_core.errors import AlreadyRunningError, HomeNotWritableError, ServiceError
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.runtime.private_folders import make_private

# A Unix socket path is limited to 107 bytes. If the home's path is too long, use the temporary directory.
_MAX_SOCKET = 100


@dataclass(frozen=True)
class ProcessState:
    """The state of one process. `state` is supervisord's name for the state, such as RUNNING, BACKOFF or FATAL."""

    name: str
    state: str
    pid: int
    uptime_seconds: float
    log: Path
    problem: str


class Supervisor:
    """The supervisor of one PMMDS_HOME."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home_path / "run"
        self.logs = settings.home_path / "logs"
        socket = self.folder / "supervisor.sock"
        if len(str(socket)) > _MAX_SOCKET:
            import hashlib
            import tempfile

            name = hashlib.sha256(str(socket).encode()).hexdigest()[:16]
            socket = Path(tempfile.gettempdir()) / f"pmmds-{os.getuid()}-{name}.sock"
        self.socket = socket

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Hold a lock that prevents concurrent starts. Raises AlreadyRunningError if PMMDS is running."""
        try:
            make_private(self.folder.parent)
            self.folder.mkdir(exist_ok=True)
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = try_lock_file(self.folder / "up.lock")
        except OSError as error:
            raise HomeNotWritableError(
                f"The folder {self.folder} cannot be written: {error.strerror}.",
                next_step="Set PMMDS_HOME to a writable folder.",
            ) from None
        if lock is None:
            raise AlreadyRunningError(
                f"Another `pmmds up` is starting in {self.folder.parent}.",
                next_step="Wait for it, then check `pmmds status`.",
            )
        with lock:
            if self.is_running():
                raise AlreadyRunningError(
                    f"PMMDS is already running in {self.folder.parent}.",
                    next_step="See `pmmds status`, or stop it with `pmmds down`.",
                )
            yield

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that the configuration refers to.

        A path in the configuration itself could not contain " #".
        """
        logs = str(self.logs)
        return {
            "SUPERVISOR_RUN": str(self.folder),
            "SUPERVISOR_SOCKET": str(self.socket),
            "SUPERVISOR_LOGS": logs,
            "SUPERVISOR_PROGRAM_LOGS": logs.replace("%", "%%"),  # expanded twice
        }

    def command(self, *, foreground: bool) -> list[str]:
        argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.folder / "supervisord.conf")]
        return [*argv, "-n"] if foreground else argv

    def start(self, processes: Sequence[Process], environment: Mapping[str, str]) -> None:
        """Start the supervisor in the background. Raises ServiceError if the supervisor does not start."""
        self.write_configuration(processes)
        started = subprocess.run(
            self.command(foreground=False),
            env={**environment, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if started.returncode != 0:
            output = (started.stderr or started.stdout).strip().splitlines()
            raise ServiceError(
                f"The process supervisor did not start: {output[-1] if output else 'no message'}.",
                next_step=f"Read {self.logs / 'supervisord.log'}.",
            )

    def write_configuration(self, processes: Sequence[Process]) -> None:
        self.socket.unlink(missing_ok=True)
        text = _HEAD + "".join(_PROGRAM.format(name=p.name, command=p.command) for p in processes)
        path = self.folder / "supervisord.conf"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def is_running(self) -> bool:
        return self._call("getState", when_stopping={}) is not None

    def states(self) -> list[ProcessState]:
        """Return the state of every process, or an empty list if the supervisor is not running."""
        found = self._call("getAllProcessInfo", when_stopping=[]) or []
        return [
            ProcessState(
                i["name"],
                i["statename"],
                int(i["pid"]),
                float(i["now"] - i["start"]) if i["pid"] else 0.0,
                self.log_of(i["name"]),
                i["spawnerr"],
            )
            for i in found
        ]

    def log_of(self, name: str) -> Path:
        """Return the path of a process's log file."""
        return self.logs / f"{name}.log"

    def pid(self) -> int | None:
        pid_file = self.folder / "supervisord.pid"
        found = self._call("getPID", when_stopping=pid_file.read_text() if pid_file.exists() else None)
        return None if found is None else int(found)

    def shutdown(self) -> None:
        """Ask the supervisor to stop all processes and exit, and return immediately."""
        self._call("shutdown")

    def _call(self, method: str, *, when_stopping: Any = None) -> Any:
        """Return an RPC's result, or None if the supervisor is not running, or `when_stopping` during a shutdown."""
        import xmlrpc.client

        from supervisor.xmlrpc import SupervisorTransport

        transport: Any = SupervisorTransport(None, None, f"unix://{self.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            try:
                return getattr(proxy.supervisor, method)()
            except (OSError, xmlrpc.client.ProtocolError):
                return None
            except xmlrpc.client.Fault:
                return when_stopping


_HEAD = """[unix_http_server]
file=%(ENV_SUPERVISOR_SOCKET)s
chmod=0600

[supervisord]
logfile=%(ENV_SUPERVISOR_LOGS)s/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=%(ENV_SUPERVISOR_RUN)s/supervisord.pid
childlogdir=%(ENV_SUPERVISOR_LOGS)s
minfds=1024

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command={command}
autorestart=true
startsecs=3
startretries=5
stopwaitsecs=20
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=%(ENV_SUPERVISOR_PROGRAM_LOGS)s/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""
