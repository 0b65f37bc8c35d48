"""Shows what a command is waiting for and for how long: one updated line on a terminal, otherwise a line at intervals.

Not here: the conditions (commands/).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

TERMINAL_SECONDS, LINE_SECONDS = 1.0, 10.0
_CLEAR = "\r\033[K"


@contextmanager
def waiting(what: str | Callable[[], str], *, interval: float | None = None) -> Iterator[None]:
    """Report the wait on standard error until the block ends, starting after the first interval.

    Args:
        what: a description of what the command waits for, such as `mlflow; log: …`, or a function that returns the
            description.
        interval: the number of seconds between reports. None means 1 on a terminal and 10 otherwise.
    """
    screen, done = sys.stderr, threading.Event()
    is_terminal = screen.isatty()
    every = interval or (TERMINAL_SECONDS if is_terminal else LINE_SECONDS)
    reporter = threading.Thread(target=_report, args=(screen, what, every, done), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()
        if is_terminal:
            print(_CLEAR, end="", file=screen, flush=True)


def say_above(sentence: str) -> None:
    """Print a line of progress above the line that reports the wait."""
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{sentence}", file=sys.stderr, flush=True)


def _report(screen: TextIO, what: str | Callable[[], str], every: float, done: threading.Event) -> None:
    started = time.monotonic()
    while not done.wait(every):
        text = f"  … {time.monotonic() - started:.0f} s: waiting for {what if isinstance(what, str) else what()}"
        if screen.isatty():
            print(f"{_CLEAR}{_cut(text)}", end="", file=screen, flush=True)
        else:
            print(text, file=screen, flush=True)


def _cut(text: str) -> str:
    """Truncate the text to the terminal's width, because a wrapped line could not be overwritten."""
    import shutil

    width = shutil.get_terminal_size().columns - 1
    return text if len(text) <= width else f"{text[: width - 1]}…"
