"""Formats a drift report as text in the width of the terminal: features by PSI, the verdict of each rule, segments.

Not here: drift rules (pmmds_core/drift/).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pmmds_cli.output.console import print_table, terminal_width
from pmmds_cli.output.control_characters import plain
from pmmds_core.runtime.plurals import counted

# Columns without a terminal; the widths of a feature's name and of its change in them.
WIDTH = 100
_MOVED, _NAME = 40, 17
_SEGMENT = 36


def print_drift(document: Mapping[str, Any]) -> None:
    """Print the features by descending PSI if there are enough rows, each rule's verdict, and the segments."""
    from pmmds_core.drift.few_rows import has_enough_rows

    if has_enough_rows(document):
        features = sorted(document["features"], key=lambda f: -(f["psi"] or 0))
        print_table([_feature_row(f) for f in features], empty="No feature could be compared.")
        print()
    rows, reference = counted(document["n_current"], "row"), counted(document["n_reference"], "reference row")
    print(f"{rows} against {reference}: {document['verdict'].replace('_', ' ')}.")
    for rule in document["rules"]:
        print_rule(rule, raises_alerts=rule["rule"] in document["alert_rules"])
    if document["segments"]:
        print()
        print_table([_segment_row(s) for s in document["segments"]], empty="")
    if document["alert_id"] is not None:
        print(f"Alert {document['alert_id']} is open; `pmmds alerts list` shows it.")
    print(f"Report: {document['report']}")


def _feature_row(feature: Mapping[str, Any]) -> dict[str, Any]:
    name = "(score)" if feature["feature"] == "__score__" else feature["feature"]
    return {
        "feature": _cut(name, _NAME + _more() // 2),
        "PSI": feature["psi"],
        "by chance": feature["psi_expected_by_chance"],
        "q": _probability(feature["q_value"]),
        "band": feature["band"],
        "change": _cut(moved(feature["statement"]), _MOVED - _less() + _more() // 2),
    }


def _segment_row(segment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "segment": _cut(f"{segment['feature']} = {segment['value']}", _SEGMENT - _less() + _more()),
        "rows": segment["n_current"],
        "reference": segment["n_reference"],
        "verdict": segment["verdict"],
        "worst": _cut(segment["worst_feature"] or "–", _NAME),
        "q": _probability(segment["worst_q_value"]),
    }


def print_rule(rule: Mapping[str, Any], *, raises_alerts: bool) -> None:
    """Print a rule's verdict and its reasons."""
    alerts = ", raises alerts" if raises_alerts else ""
    print_wrapped(f"{rule['rule']} ({rule['verdict']}{alerts}): {rule['reasons'][0]}", "  ")
    print_reasons(rule["reasons"][1:])


def print_reasons(reasons: Sequence[str]) -> None:
    for reason in reasons:
        print_wrapped(f"- {reason}", "    ")


def print_wrapped(text: str, indent: str) -> None:
    print(textwrap.fill(plain(text), terminal_width(WIDTH), initial_indent=indent, subsequent_indent=indent + "  "))


def moved(statement: str) -> str:
    """Return the statement without the feature's name, which the first column already shows."""
    return statement.partition(": ")[2].removesuffix(" of rows")


def _more() -> int:
    """Columns of the terminal beyond WIDTH."""
    return max(0, terminal_width(WIDTH) - WIDTH)


def _less() -> int:
    """Columns that the terminal lacks to WIDTH, at most 20: with fewer than 80 columns, cells are folded."""
    return min(20, max(0, WIDTH - terminal_width(WIDTH)))


def _probability(value: float | None) -> str | None:
    return None if value is None else "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
