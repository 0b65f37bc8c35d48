"""A progress bar with the time left, on standard error of a terminal, for every operation that takes over a second.

Without a terminal and with --json there is no bar. Not here: waiting for other processes (waiting.py).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pmmds_cli.output.console import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

DELAY_SECONDS = 1.0
_REFRESH_SECONDS = 0.1


class ProgressBar:
    """A bar that is called with the completed units and their total, as pmmds_core.runtime.progress describes.

    Until the first call the total is unknown, and the bar shows the elapsed time only.
    """

    def __init__(self, task: str, *, is_shown: bool) -> None:
        self.is_shown = is_shown
        self._task, self._screen = task, sys.stderr
        self._done, self._total = 0, 0
        self._console: Console | None = None

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def say(self, sentence: str) -> None:
        """Print a line above the bar."""
        if self._console is None:
            say(sentence, to=self._screen)
        else:
            self._console.print(sentence, markup=False, highlight=False)

    def show(self, ended: threading.Event, delay: float) -> None:
        """Draw the bar from `delay` seconds after the start until `ended` is set, then remove it."""
        if ended.wait(delay):
            return
        with _drawn(self) as drawn:
            task = drawn.add_task(self._task, total=None)
            self._console = drawn.console
            while not ended.wait(_REFRESH_SECONDS):
                drawn.update(task, completed=self._done, total=self._total or None)
            self._console = None

    def new_console(self) -> Console:
        """The terminal that the bar is drawn on."""
        from rich.console import Console

        return Console(file=self._screen)


@contextmanager
def progress(task: str, *, json: bool = False, delay: float = DELAY_SECONDS) -> Iterator[ProgressBar]:
    """Show a bar until the block ends.

    Args:
        task: a short noun phrase, such as `train_job`.
        json: no bar, because the command prints JSON for a program.
        delay: seconds until the bar appears, so that a fast operation shows none.
    """
    bar = ProgressBar(task, is_shown=not json and sys.stderr.isatty())
    if not bar.is_shown:
        yield bar
        return
    ended = threading.Event()
    drawer = threading.Thread(target=bar.show, args=(ended, delay), daemon=True)
    drawer.start()
    try:
        yield bar
    finally:
        ended.set()
        drawer.join()


def _drawn(bar: ProgressBar) -> RichProgress:
    """The bar as Rich draws it. Output of other code is not redirected: commands print it through `say`."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=bar.new_console(), transient=True, redirect_stdout=False, redirect_stderr=False)
