"""Asks for corrections of an inferred contract on a terminal, one line per column, until an empty line.

Not here: options of the command (init.py).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pmmds_core.errors import InputFileError

if TYPE_CHECKING:
    from pmmds_core.contract_inference.draft import ContractDraft
    from pmmds_core.contract_inference.infer import InferenceOptions

_CHANGES = ("numeric", "categorical", "ignore")
_QUESTION = 'Change a column, such as `age categorical` or `"total price" ignore` (Enter to accept): '


def corrected(
    draft: ContractDraft,
    options: InferenceOptions,
    infer: Callable[[InferenceOptions], ContractDraft],
    show: Callable[[ContractDraft], None],
) -> ContractDraft:
    """Ask for corrections, and repeat the inference after each correction.

    An empty line or Ctrl-D accepts the result.
    """
    show(draft)
    while line := _answer():
        try:
            options = with_change(options, line, [c.source for c in draft.columns])
            draft = infer(options)
        except InputFileError as error:
            print(error)
            continue
        show(draft)
    return draft


def with_change(options: InferenceOptions, line: str, columns: list[str]) -> InferenceOptions:
    """Return the options with one correction added.

    Raises: InputFileError: the line is not a column name followed by numeric, categorical or ignore.
    """
    name, _, change = line.strip().rpartition(" ")
    name = next(iter(csv.reader([name.strip()])), [""])[0] if name.strip().startswith('"') else name.strip()
    if change not in _CHANGES or name not in columns:
        raise InputFileError(
            f"Expected a column and one of {', '.join(_CHANGES)}, found {line.strip()!r}.",
            next_step="Use a column name from the table.",
        )
    old = options.file
    sets = {kind: getattr(old, kind) - {name} for kind in _CHANGES}
    sets[change] |= {name}
    return replace(options, file=replace(old, **sets))


def _answer() -> str:
    try:
        return input(_QUESTION).strip()
    except EOFError:
        print()
        return ""
