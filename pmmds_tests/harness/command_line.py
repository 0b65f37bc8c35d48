"""Runs `pmmds` as a person does: a process of its own, an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

# What takes long to import.
HEAVY = {
    "altair",
    "apprise",
    "vl_convert",
    "pandas",
    "dagster",
    "mlflow",
    "sklearn",
    "great_expectations",
    "bentoml",
    "matplotlib",
    "scipy",
}


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def sentence(self) -> str:
        """The one line on stderr that tells what failed; more than one is a failure of the test."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("Error: ")


def environment_of(home: Path, **variables: str) -> dict[str, str]:
    """Variables of a process that knows nothing but its home."""
    return {"PATH": os.environ["PATH"], "HOME": str(home.parent), "PMMDS_HOME": str(home), **variables}


def pmmds(
    home: Path,
    *arguments: str,
    before: Callable[[], None] | None = None,
    cwd: Path | None = None,
    timeout: float = 400,
    given: Mapping[str, str] | None = None,
    **variables: str,
) -> Said:
    """Run one command to its end, with `given` and the keyword variables set. `before` runs in the child, first."""
    done = subprocess.run(
        [sys.executable, "-m", "pmmds_cli.main", *arguments],
        env=environment_of(home, **(given or {}), **variables),
        cwd=cwd or home.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        preexec_fn=before,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def heavy_libraries_of(home: Path, arguments: list[str]) -> set[str]:
    """Those of HEAVY that a command has imported when it ends, well or not."""
    code = (
        "import sys; from pmmds_cli.main import app\n"
        "try: app(sys.argv[1:], standalone_mode=False)\n"
        "except BaseException as e: print(repr(e), file=sys.stderr)\n"
        f"print(); print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment_of(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    first, *found = done.stdout.splitlines()[-1].split()
    assert first == "LOADED", done.stdout + done.stderr
    return set(found)
