"""Code blocks of the README and of the pages in docs/ are valid: shell, Python, TOML and YAML.

Blocks that can run without servers are run by tests of their page; this module checks every block. Not here: links and
tables (test_documentation.py).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from pmmds_cli.application import app
from pmmds_core.config.settings import load_settings

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "decisions"),
]
# One command ends where the shell starts the next one or redirects its output.
_ENDS = {"&&", "||", "|", ";", "&", ">", ">>", "<"}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The class that typer raises for unknown options.
_USAGE_ERROR = typer.BadParameter.__mro__[1]
_VARIABLE = re.compile(r"\w+=.*")


def blocks(language: str) -> list[Any]:
    """The blocks of one language on all pages, with page and number as the test's id."""
    found = []
    for page in PAGES:
        texts = [text for name, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]
        found += [pytest.param(t, id=f"{page.relative_to(ROOT)}-{i}") for i, t in enumerate(texts, 1)]
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The words of every simple command of a shell block, without comments and assignments of variables."""
    lexer = shlex.shlex(text.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _ENDS:
            words.append(word)
            continue
        while words and (_VARIABLE.fullmatch(words[0]) or words[0] == "export"):
            words.pop(0)
        if words:
            yield words
        words = []


def without_comments(text: str) -> str:
    return re.sub(r"(^|\s)#.*", "", text)


def pmmds_commands(text: str) -> Iterator[list[str]]:
    """Arguments of every call of `pmmds`, also those inside a container."""
    for words in commands(without_comments(text)):
        if "pmmds" in words and (words[0] == "pmmds" or "exec" in words or "run" in words):
            yield words[words.index("pmmds") + 1 :]


def check_arguments(arguments: list[str]) -> None:
    """Parse the arguments as `pmmds` would. Fails if a command, an option or a required argument does not exist."""
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        if not arguments or arguments[0].startswith("-"):
            return
        name, arguments = arguments[0], arguments[1:]
        assert name in command.commands, f"pmmds {name} does not exist"
        command = command.commands[name]
    context = command.context_class(command, info_name=command.name)
    values, extra, _ = command.make_parser(context).parse_args(arguments)
    assert not extra, f"unexpected arguments {extra}"
    missing = [p.name for p in command.params if p.required and values.get(str(p.name)) is None]
    assert not missing or "--help" in arguments, f"missing {missing}"


def check_options(arguments: list[str]) -> None:
    """Like `check_arguments`, for a command without its values. Fails if the command or an option does not exist."""
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and arguments and not arguments[0].startswith("-"):
        name, arguments = arguments[0], arguments[1:]
        assert name in command.commands, f"pmmds {name} does not exist"
        command = command.commands[name]
    known = {option for p in command.params for option in [*p.opts, *p.secondary_opts]} | {"--help"}
    unknown = [a for a in arguments if a.startswith("-") and a.partition("=")[0] not in known]
    assert unknown == [], f"pmmds {command.name} has no options {unknown}"


@pytest.mark.parametrize("text", blocks("sh"))
def test_shell_blocks_have_valid_syntax(text: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("text", blocks("sh"))
def test_pmmds_commands_in_shell_blocks_exist_with_their_options(text: str) -> None:
    for arguments in pmmds_commands(text):
        check_arguments(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_sentences_and_tables_exist_with_their_options(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    for found in re.findall(r"`pmmds ([a-z][^`…]*)`", text):
        check_options(found.partition("|")[0].replace("[", " ").replace("]", " ").split())


@pytest.mark.parametrize("text", blocks("sh"))
def test_make_targets_in_shell_blocks_exist(text: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(without_comments(text)):
        if words[0] == "make":
            assert words[1] in targets, words


@pytest.mark.parametrize("text", blocks("python"))
def test_python_blocks_compile(text: str) -> None:
    compile(text, "block", "exec")


@pytest.mark.parametrize("text", blocks("toml"))
def test_toml_blocks_are_valid_settings(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pmmds.toml"
    file.write_text(text, encoding="utf-8")
    for name in re.findall(r'_file = "(.*)"', text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a-secret-of-this-test\n", encoding="utf-8")
    load_settings({"PMMDS_CONFIG": str(file)})


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_blocks_parse(text: str) -> None:
    assert yaml.safe_load(text)


def test_the_program_about_psi_prints_the_output_on_its_page() -> None:
    page = (ROOT / "docs" / "explanation" / "psi-needs-n.md").read_text(encoding="utf-8")
    (program,), (output,) = ([t for name, t in _BLOCK.findall(page) if name == kind] for kind in ("python", "text"))
    ran = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True)
    assert ran.stdout == output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["alarms", "list"], "pmmds alarms does not exist"),
        (["alerts", "list", "--every"], "No such option: --every"),
        (["alerts", "ack", "--by", "Ada"], "missing"),
        (["alerts", "list", "3"], "unexpected arguments"),
    ],
)
def test_the_check_rejects_commands_that_do_not_exist(arguments: list[str], reason: str) -> None:
    with pytest.raises((AssertionError, _USAGE_ERROR), match=reason):
        check_arguments(arguments)
