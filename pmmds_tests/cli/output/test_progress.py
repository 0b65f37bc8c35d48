"""Progress bars: shown on a terminal only, with the time left, and removed at the end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_cli.output.progress import progress
from pmmds_tests.harness.command_line import environment_of

PROGRAM = """
import sys
from pmmds_cli.output.progress import progress
with progress("copy", json="json" in sys.argv, delay=0) as bar:
    sys.stdin.read()
    for n in range(1, 4):
        bar(n, 4)
        bar.say(f"  ✓ part {n}")
"""


def shown_on_terminal(*command: str, awaited: str = "", **variables: str) -> tuple[int, str]:
    """Run a program whose stderr is a terminal. Its input ends when `awaited` is on the screen."""
    main, terminal = pty.openpty()
    environment = {**os.environ, **variables, "TERM": "xterm", "COLUMNS": "80"}
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=terminal, env=environment
    )
    os.close(terminal)
    assert started.stdin is not None
    shown = b""
    while True:
        if awaited.encode() in shown:
            started.stdin.close()
        try:
            shown += os.read(main, 4096)
        except OSError:  # the other end is closed
            break
    os.close(main)
    return started.wait(timeout=120), shown.decode()


def test_terminal_shows_task_share_and_time_left() -> None:
    code, shown = shown_on_terminal(sys.executable, "-c", PROGRAM, awaited="copy")
    assert code == 0
    assert "copy" in shown
    assert "left" in shown
    assert all(f"✓ part {n}" in shown for n in (1, 2, 3))


def test_json_shows_no_bar_on_a_terminal() -> None:
    code, shown = shown_on_terminal(sys.executable, "-c", PROGRAM, "json")
    assert code == 0
    assert "copy" not in shown


def test_pipe_gets_the_lines_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("copy", delay=0) as bar:
        bar(1, 2)
        bar.say("  ✓ part 1")
    captured = capsys.readouterr()
    assert not bar.is_shown
    assert (captured.out, captured.err) == ("", "  ✓ part 1\n")


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.process
def test_training_shows_its_steps_above_a_bar(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "pmmds_cli.main", "train")
    code, shown = shown_on_terminal(*command, **environment_of(tmp_path / "home"))
    assert code == 0, shown
    assert "train_job" in shown
    assert "✓ production_model" in shown
