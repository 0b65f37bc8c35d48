"""Writes the project folder (contract.yaml, pmmds.toml, example-request.json and README.md) completely or not at all.

Not here: the contract's text (contract_text.py), reading pmmds.toml (config/).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.contract_inference.contract_text import contract_text
from pmmds_core.contract_inference.draft import ContractDraft
from pmmds_core.contracts.contract import parse_contract
from pmmds_core.errors import InputFileError, UsageError
from pmmds_core.runtime.atomic_write import write_atomically
from pmmds_core.runtime.plurals import counted

CONTRACT, SETTINGS, README, REQUEST = "contract.yaml", "pmmds.toml", "README.md", "example-request.json"


@dataclass(frozen=True)
class Project:
    """The absolute paths of the files in a project folder."""

    folder: Path
    data: Path

    @property
    def contract(self) -> Path:
        return self.folder / CONTRACT

    @property
    def home(self) -> Path:
        return self.folder / ".pmmds"


def check_free(folder: Path, *, force: bool) -> None:
    """Raise UsageError if `folder` is a file, or if it contains files of a project and `force` is False."""
    try:
        is_other = folder.exists() and not folder.is_dir()
    except OSError as error:  # for example, the name is too long
        reason = f"{folder} cannot be used: {error.strerror}."
        raise UsageError(reason, next_step="Choose another folder with --into.") from None
    if is_other:
        raise UsageError(f"{folder} is not a folder.", next_step="Pass a folder with --into.")
    present = [name for name in (CONTRACT, SETTINGS, README, REQUEST) if os.path.lexists(folder / name)]
    if present and not force:
        raise UsageError(
            f"{folder} already has {' and '.join(present)}. Nothing was written.",
            next_step="Choose another folder with --into, or pass --force to replace these files.",
        )


def write_project(draft: ContractDraft, data: Path, folder: Path) -> Project:
    """Write the files of a project.

    Raises:
        InputFileError: a file cannot be written. New files are then removed, and replaced files are restored.
    """
    project = Project(folder.absolute(), data.absolute())
    text = contract_text(draft)
    assert parse_contract(text, CONTRACT) == draft.contract, "the text of a contract parses to the same contract"
    files = {CONTRACT: text, SETTINGS: _settings(project), README: _readme(draft, project), REQUEST: _request(draft)}
    _write_all(project.folder, {name: content.encode() for name, content in files.items()})
    return project


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    created = [p for p in (folder, *folder.parents) if not p.exists()]
    before = {name: (folder / name).read_bytes() if (folder / name).is_file() else None for name in files}
    written: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
            written.append(name)
    except OSError as error:
        for name in written:
            _restore(folder / name, before[name])
        for path in created:
            with suppress(OSError):
                path.rmdir()
        raise InputFileError(
            f"{folder} cannot be written: {error.strerror}. Nothing was written.",
            next_step="Choose another folder with --into.",
        ) from None


def _restore(path: Path, content: bytes | None) -> None:
    with suppress(OSError):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, content)


def _settings(project: Project) -> str:
    return (
        "# Settings of this project; `pmmds config` lists all. Relative paths start in this folder.\n"
        f"contract = {json.dumps(CONTRACT)}\n"
        f"data_path = {json.dumps(str(project.data), ensure_ascii=False)}\n"
        'home = ".pmmds"\n'
    )


def _request(draft: ContractDraft) -> str:
    """Return the body of a prediction request."""
    return json.dumps({"features": dict(draft.example)}, indent=2, ensure_ascii=False) + "\n"


def _readme(draft: ContractDraft, project: Project) -> str:
    contract = draft.contract
    n_features = counted(len(contract.features), "column")
    return f"""# {contract.model_name}

Predicts `{contract.label.source}` = `{contract.label.positive}` from {n_features} of `{draft.file_name}`. Written by
`pmmds init`.

1. Read `contract.yaml` and correct what was guessed wrong: ranges, allowed values, blank cells.
2. Check it: `pmmds contract check contract.yaml --data {shlex.quote(str(project.data))}`.
3. Start the processes and train the first model: `pmmds up --train`.
4. Request a prediction for a row of your file with the command that `pmmds up --train` prints. The row is in
   `example-request.json`.
5. Open the console: `pmmds open console`. Send simulated requests: `pmmds traffic --count 300 --labels`.
6. Check for drift: `pmmds monitor`. Send changed rows with `pmmds traffic --count 1000 --drift shift --labels` and
   check again.
7. See the decisions: `pmmds decisions`. Stop everything: `pmmds down`.

If you change the contract later, `pmmds contract diff OLD NEW` shows what `pmmds db migrate` would do.
"""
