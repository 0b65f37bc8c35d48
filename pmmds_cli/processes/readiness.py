"""Waits until the processes that `pmmds up` started are ready, and reports what is missing.

Not here: the processes (definitions.py), the supervisor (supervisor.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pmmds_cli.output.waiting import say_above, waiting
from pmmds_cli.processes.definitions import Process
from pmmds_cli.processes.supervisor import ProcessState, Supervisor
from pmmds_core.errors import ServiceError

# On a busy machine, the first start with a new home takes more than two minutes.
START_SECONDS = 300.0


def wait_until_ready(supervisor: Supervisor, processes: Sequence[Process]) -> None:
    """Wait until every process is ready, and report which ones are missing, for how long, and where they log.

    Raises PortTakenError, or ServiceError with the last log lines of a process that did not become ready.
    """
    started = time.monotonic()
    pending = list(processes)
    with waiting(lambda: _missing(supervisor, pending)):
        while pending:
            for process in list(pending):
                if _is_ready(process, state := _state(supervisor, process)):
                    pending.remove(process)
                    say_above(f"  ✓ {process.name} ({time.monotonic() - started:.1f} s)")
                else:
                    _raise_if_failed(process, state)
            if pending and time.monotonic() - started > START_SECONDS:
                raise _not_ready(supervisor, pending[0])
            time.sleep(0.2)


def _missing(supervisor: Supervisor, pending: Sequence[Process]) -> str:
    """Return the names of the processes that are not ready, marking restarts, and the log of the first one."""
    states = {s.name: s for s in supervisor.states()}
    names = [
        f"{p.name} (exited, restarting)" if p.name in states and states[p.name].state == "BACKOFF" else p.name
        for p in pending
    ]
    log = f"; log: {supervisor.log_of(pending[0].name)}" if pending else ""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) + log


def _not_ready(supervisor: Supervisor, process: Process) -> ServiceError:
    log = supervisor.log_of(process.name)
    return ServiceError(
        f"{process.name} was not ready after {START_SECONDS:.0f} seconds. Last lines of {log}: {last_log_lines(log)}",
        next_step=f"Read `pmmds logs {process.name}`, or stop the other processes with `pmmds down`.",
    )


def _state(supervisor: Supervisor, process: Process) -> ProcessState | None:
    return next((s for s in supervisor.states() if s.name == process.name), None)


def _is_ready(process: Process, state: ProcessState | None) -> bool:
    """Return True if this process itself responds, and not another program that took its port first."""
    from pmmds_cli.processes.ports import listens

    if state is None or not state.pid:
        return False
    if process.url:
        return listens(state.pid, process.port) and answers(process.url)
    return state.state == "RUNNING"


def _raise_if_failed(process: Process, state: ProcessState | None) -> None:
    from pmmds_cli.processes.definitions import grpc_port_taken, port_taken
    from pmmds_cli.processes.ports import is_free, listens

    if state is None:
        return
    if process.port and not is_free(process.host, process.port) and not listens(state.pid, process.port):
        raise port_taken(process)
    # Check the port only after the process has exited, because a port that is bound but not yet listening looks the
    # same.
    if process.grpc_port and state.state in {"BACKOFF", "FATAL"} and not is_free(process.host, process.grpc_port):
        raise grpc_port_taken(process)
    if state.state == "FATAL":
        raise ServiceError(
            f"{process.name} exited during startup. Last lines of {state.log}: {last_log_lines(state.log)}",
            next_step=f"Read `pmmds logs {process.name}`, or stop the other processes with `pmmds down`.",
        )


def answers(url: str) -> bool:
    """Return True if a GET returns 2xx within a second."""
    import httpx

    try:
        return httpx.get(url, timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def last_log_lines(log: Path, n_lines: int = 3) -> str:
    lines = [line for line in tail(log, 40) if line.strip()]
    return " / ".join(lines[-n_lines:]) or "nothing"


def tail(path: Path, n_lines: int) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-n_lines:]
    except OSError:
        return []
