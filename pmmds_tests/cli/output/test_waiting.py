"""A waiting command prints lines at intervals, or replaces one line on a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from pmmds_cli.output.waiting import waiting

PROGRAM = """
import sys, time
from pmmds_cli.output.waiting import say_above, waiting
with waiting("mlflow; log: /home/logs/mlflow.log", interval=0.05):
    sys.stdin.read(1)
    say_above("  ✓ serving")
"""


class Screen(io.StringIO):
    """A stream that is no terminal and signals each line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        super().__init__()
        self._on_line = on_line

    def write(self, text: str) -> int:
        self._on_line(text)
        return super().write(text)


def test_lines_show_the_elapsed_time_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    missing, second = ["serving", "mlflow"], threading.Event()

    def on_line(text: str) -> None:
        if "serving and mlflow" in text:
            missing.remove("serving")
        elif "for mlflow" in text:
            second.set()

    screen = Screen(on_line)
    monkeypatch.setattr(sys, "stderr", screen)
    with waiting(lambda: " and ".join(missing), interval=0.01):
        assert second.wait(60)
    lines = screen.getvalue().splitlines()
    assert all(re.fullmatch(r"  … \d+ s: waiting for (serving and )?mlflow", line) for line in lines)
    assert "\r" not in screen.getvalue()


def test_a_short_wait_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("the service", interval=60):
        pass
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_one_line_that_is_erased_at_the_end() -> None:
    main, terminal = pty.openpty()
    started = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    assert started.stdin is not None
    shown = b""
    while shown.count(b"waiting for mlflow; log: ") < 3:
        shown += os.read(main, 4096)
    started.stdin.write(b"x")
    started.stdin.close()
    assert started.wait(timeout=120) == 0
    while True:
        try:
            shown += os.read(main, 4096)
        except OSError:  # the other end of the terminal is closed
            break
    os.close(main)
    text = shown.decode()
    assert text.count("\n") == 1, "only the line about serving remains"
    assert text.endswith("\r\033[K")
