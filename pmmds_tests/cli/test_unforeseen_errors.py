"""An unexpected error in any command prints one sentence and logs its traceback in a private file."""

from __future__ import annotations

import atexit
import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer

from pmmds_cli import main as entry_point
from pmmds_cli.application import app
from pmmds_core.errors import DataError
from pmmds_tests.harness.command_line import environment_of, pmmds


def registered(group: typer.Typer, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command of the application with its typer object."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*prefix, command.name or command.callback.__name__.replace("_", "-")), command
    for below in group.registered_groups:
        assert below.typer_instance is not None
        yield from registered(below.typer_instance, (*prefix, str(below.name)))


COMMANDS = dict(registered(app))


def raising(error: BaseException, name: str) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise error

    command.__name__ = name
    return command


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Any, str]]:
    """Run a command that raises an error, with a home in tmp_path; return its exit code and stderr."""

    def run_raising(words: tuple[str, ...], error: BaseException, *options: str) -> tuple[Any, str]:
        command = COMMANDS[words]
        monkeypatch.setattr(command, "callback", raising(error, command.callback.__name__))
        monkeypatch.setattr(sys, "argv", ["pmmds", *options, *words])
        with pytest.raises(SystemExit) as ended:
            entry_point.main()
        return ended.value.code, capsys.readouterr().err

    monkeypatch.setenv("PMMDS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(atexit, "register", lambda _: None)
    return run_raising


def test_all_commands_are_collected_for_these_tests() -> None:
    assert len(COMMANDS) > 30
    assert {("drift", "compare"), ("labels", "import"), ("up",), ("db", "backup")} <= COMMANDS.keys()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_unexpected_error_prints_one_sentence_and_logs_the_traceback(
    run: Callable[..., tuple[Any, str]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, said = run(words, ValueError("line one\nline two"))
    log = tmp_path / "home" / "logs" / "errors.log"
    command = " ".join(words)
    assert code == 1
    assert said == (
        f"Error: `pmmds {command}` failed unexpectedly: ValueError: line one. The traceback is in {log}; include it in "
        f"a bug report. `pmmds --debug {command} …` prints it.\n"
    )
    text = log.read_text(encoding="utf-8")
    assert f"pmmds {command}\nTraceback" in text
    assert "ValueError: line one\nline two" in text
    assert (stat.S_IMODE(log.stat().st_mode), stat.S_IMODE((tmp_path / "home").stat().st_mode)) == (0o600, 0o700)


def test_debug_prints_the_traceback(run: Callable[..., tuple[Any, str]]) -> None:
    code, said = run(("config",), KeyError("v"), "--debug")
    assert code == 1
    assert said.startswith(
        "Error: `pmmds config` failed unexpectedly: KeyError: 'v'.\nTraceback (most recent call last):"
    )


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (MemoryError(), 1, "Error: `pmmds config` needs more memory than is available. Use fewer rows"),
        (RecursionError("deep"), 1, "Error: `pmmds config` failed unexpectedly: RecursionError: deep. The traceback"),
        (
            ModuleNotFoundError("No module named 'x'"),
            1,
            "ModuleNotFoundError: No module named 'x'. Reinstall PMMDS",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "f"),
            1,
            "`pmmds config` failed: No space left on device: f.",
        ),
        (ZeroDivisionError(), 1, "Error: `pmmds config` failed unexpectedly: ZeroDivisionError. The traceback"),
        (DataError("No rows.", next_step="Add some."), 1, "Error: No rows. Add some.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_kind_of_error_prints_one_sentence(
    run: Callable[..., tuple[Any, str]], error: BaseException, code: int, sentence: str
) -> None:
    found, said = run(("config",), error)
    assert found == code
    assert sentence in said
    assert "Traceback (most" not in said
    assert said.count("\n") == bool(sentence)


def test_unwritable_home_is_reported(
    run: Callable[..., tuple[Any, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PMMDS_HOME", str(tmp_path / "file" / "home"))
    code, said = run(("config",), ValueError("x"))
    assert code == 1
    place = tmp_path / "file" / "home" / "logs"
    assert f"ValueError: x. Its traceback could not be written to {place} (Not a directory). `pmmds --debug" in said


def test_log_that_is_a_symlink_is_not_followed(run: Callable[..., tuple[Any, str]], tmp_path: Path) -> None:
    logs = tmp_path / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "errors.log").symlink_to(tmp_path / "elsewhere")
    assert "could not be written" in run(("config",), ValueError("x"))[1]
    assert not (tmp_path / "elsewhere").exists()


def test_import_error_of_the_application_prints_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "typer.py").write_text("raise ImportError('this typer is broken')", encoding="utf-8")
    said = pmmds(tmp_path / "home", "status", PYTHONPATH=str(broken))
    assert said.code == 1
    assert said.sentence.startswith(
        "`pmmds status` failed unexpectedly: ImportError: this typer is broken. Reinstall PMMDS"
    )


@pytest.mark.parametrize("words", [("config",), ("config", "--json"), ("--help",)], ids=" ".join)
def test_closed_pipe_ends_without_a_message(tmp_path: Path, words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "pmmds_cli.main", *words],
            env=environment_of(tmp_path / "home"),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_full_device_prints_one_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pmmds_cli.main", "config"],
            env=environment_of(tmp_path / "home"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("Error: ")
    assert "No space left on device" in done.stderr
    assert "Traceback (most" not in done.stderr
