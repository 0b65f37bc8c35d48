"""Writes a contract as YAML with a comment above each guess. The text is deterministic and parses to the same contract.

Not here: parsing (contracts/contract.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from pmmds_core.contract_inference.draft import ColumnDraft, ContractDraft
from pmmds_core.contracts.contract import Feature
from pmmds_core.runtime.plurals import counted

# Scalars that need no quotes. All scalars of a contract are text, so all others are quoted.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# YAML breaks lines at some of these characters and rejects the others.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_WIDTH = 116


def contract_text(draft: ContractDraft) -> str:
    """Return the file contract.yaml."""
    contract, label = draft.contract, draft.contract.label
    lines = [
        *_comments(
            "",
            f"Inferred by pmmds init from {draft.file_name} ({counted(draft.n_rows, 'row')}). Comments show the "
            "evidence. Ranges and values are enforced: set them to what is possible, not to what was observed.",
        ),
        f"name: {contract.name}",
        f"model_name: {contract.model_name}",
        f"description: {scalar(contract.description)}",
    ]
    row_id = next((c for c in draft.columns if c.source == contract.row_id), None)
    if row_id is not None:
        lines += [*_comments("", f"{row_id.source}: {row_id.evidence}."), f"row_id: {scalar(row_id.source)}"]
    lines += [
        *_comments("", f"{label.source}: {draft.label.evidence}."),
        "label:",
        *(f"  {field}: {scalar(getattr(label, field))}" for field in ("name", "source", "positive", "negative")),
        f"  description: {scalar(label.description)}",
        "features:",
    ]
    for column in draft.columns:
        if column.feature is not None:
            lines += _feature(column, column.feature)
    return "\n".join([*lines, *_left_out(draft.left_out)]) + "\n"


def scalar(text: str) -> str:
    """Return the text as a YAML scalar, which is plain for a simple word and in double quotes otherwise."""
    if _PLAIN.fullmatch(text) and text.lower() not in {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}:
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _feature(column: ColumnDraft, feature: Feature) -> Iterator[str]:
    yield from _comments("  ", f"{column.source}: {column.evidence}.")
    yield f"  - name: {feature.name}"
    for field in ("source", "kind", "type"):
        yield f"    {field}: {scalar(getattr(feature, field))}"
    if feature.values:
        yield f"    values: {_list(feature.values)}"
    for field in ("minimum", "maximum"):
        if (limit := getattr(feature, field)) is not None:
            yield f"    {field}: {_number(limit)}"
    if feature.blank is not None:
        words = f", written_as: {_list(feature.blank.written_as)}" if feature.blank.written_as else ""
        yield f"    blank: {{means: {scalar(feature.blank.means)}{words}}}"
    yield f"    description: {scalar(feature.description)}"
    yield f"    example: {scalar(feature.example)}"


def _left_out(columns: Sequence[ColumnDraft]) -> Iterator[str]:
    if columns:
        yield "# Columns left out:"
    for column in columns:
        yield from _comments("", f"{column.source}: {column.evidence}.", "#   ")


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(scalar, values))}]"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _comments(indent: str, text: str, mark: str = "# ") -> Iterator[str]:
    """Return comment lines of at most 120 characters. A line end in a column's name never ends a comment."""
    import textwrap

    more = mark if mark == "# " else f"{mark}  "
    yield from textwrap.wrap(
        _comment(text), _WIDTH, initial_indent=indent + mark, subsequent_indent=indent + more, break_on_hyphens=False
    )


def _comment(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
