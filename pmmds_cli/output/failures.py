"""Reports the errors of a command as one sentence and an exit code, and logs the traceback of unexpected errors.

Not here: errors that PMMDS raises (pmmds_core/errors.py), exit codes (exit_codes.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self

from pmmds_cli.output.control_characters import plain
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.private_folders import make_private

DEBUG = "--debug"
_FILE = "errors.log"
_MAX_BYTES = 1_000_000
_MAX_TEXT = 200
_MISSING = "Reinstall PMMDS with the extras that this command needs (docs/commands.md)."
_MEMORY = "Use fewer rows or a machine with more memory."


class CommandErrors:
    """A context manager around a command that prints a message to stderr and sets `exit_code` if there is an exception.

    SystemExit propagates after the output is flushed. A closed pipe sets exit code 1 without a message.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.exit_code = 0
        self._arguments = list(arguments)
        self._debug = DEBUG in self._arguments

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None or isinstance(error, SystemExit):
            if error is not None and error.code == ExitCode.INTERRUPTED:  # typer exits with this code on Ctrl-C.
                _say("Stopped.")
            return self._flush()
        self.exit_code = self._ended_by(error)
        return isinstance(error, Exception | KeyboardInterrupt)

    def _ended_by(self, error: BaseException) -> int:
        """Report an exception and return the exit code."""
        if isinstance(error, BrokenPipeError):
            _discard_output()
        elif isinstance(error, KeyboardInterrupt):
            _say("Stopped.")
            return ExitCode.INTERRUPTED
        elif isinstance(error, PmmdsError):
            self._report(str(error), getattr(error, "details", "") or _text_of(error))
            return error.exit_code
        elif isinstance(error, Exception):
            text = _text_of(error)
            self._report(f"{_problem(error, self._command)} {self._advice(error, text)}".rstrip(), text)
        return ExitCode.FAILURE

    @property
    def _command(self) -> str:
        """Return the command without its options and files, such as `pmmds alerts list`."""
        words = (word for word in self._arguments if word != DEBUG)
        names = takewhile(lambda word: word.replace("-", "").isalnum() and not word.startswith("-"), words)
        return " ".join(["pmmds", *names])

    def _flush(self) -> bool:
        """Flush the output now, because a closed pipe would print a traceback at interpreter exit."""
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            self.exit_code = ExitCode.FAILURE
            return True
        except OSError as error:
            _discard_output()
            _say(f"Error: The output could not be written: {error.strerror}.")
            self.exit_code = ExitCode.FAILURE
            return True
        return False

    def _report(self, sentence: str, details: str) -> None:
        _say(f"Error: {sentence}")
        if self._debug:
            _say(details)

    def _advice(self, error: BaseException, text: str) -> str:
        steps = {MemoryError: _MEMORY, ImportError: _MISSING}
        step = next((step for kind, step in steps.items() if isinstance(error, kind)), "")
        again = self._command.replace("pmmds", f"pmmds {DEBUG}", 1)
        place = "" if self._debug else f"{_logged(text, self._command)} `{again} …` prints it."
        return f"{step} {place}".strip()


def _problem(error: BaseException, command: str) -> str:
    if isinstance(error, MemoryError):
        return f"`{command}` needs more memory than is available."
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"`{command}` failed: {error.strerror}{place}."
    first = next(iter(str(error).splitlines()), "")[:_MAX_TEXT].rstrip(".")
    return f"`{command}` failed unexpectedly: {type(error).__name__}{f': {first}' if first else ''}."


def _text_of(error: BaseException) -> str:
    import traceback  # only for an error, because its import takes a tenth of `pmmds --help`

    return "".join(traceback.format_exception(error))


def _logged(text: str, command: str) -> str:
    """Append a traceback to the home's log file, and return a sentence with the file's path."""
    try:
        from pmmds_core.config.settings import home_of_environment
    except ImportError:
        return "No traceback could be written, because PMMDS itself cannot be imported."
    folder = home_of_environment() / "logs"
    try:
        make_private(folder.parent)
        folder.mkdir(exist_ok=True)
        file = folder / _FILE
        if file.exists() and file.stat().st_size > _MAX_BYTES:
            file.replace(file.with_name(f"{_FILE}.1"))
        _append(file, f"{datetime.now(UTC).isoformat()} {command}\n{text}\n")
    except OSError as error:
        return f"Its traceback could not be written to {folder} ({error.strerror})."
    return f"The traceback is in {file}; include it in a bug report."


def _append(file: Path, text: str) -> None:
    """Append to a file that only its owner can read, because a traceback may contain customer data."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(text)


def _discard_output() -> None:
    """Redirect standard output to the null device, so that the interpreter's flush at exit cannot fail."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _say(text: str) -> None:
    """Print to standard error if the stream is open."""
    with suppress(OSError, ValueError):
        print(plain(text), file=sys.stderr, flush=True)
