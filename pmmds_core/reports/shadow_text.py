"""Text about a shadow challenger's agreement, for the page, the command line and Dagster.

Not here: measuring (evaluation/shadow.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pmmds_core.evaluation.shadow import MIN_ROWS, ShadowAgreement
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.verdict import Verdict

_COUNTS = {"challenger_version", "n_rows", "window_start", "window_end", "answered_by", "verdict"}
NOTHING_SHADOWED = "The challenger has not scored live traffic yet (set PMMDS_SHADOW=on)."


def to_document(agreement: ShadowAgreement) -> dict[str, Any]:
    """Return the agreement as JSON values with ISO timestamps.

    With fewer than MIN_ROWS requests, it has only the counts.
    """
    enough = agreement.n_rows >= MIN_ROWS
    document = {**asdict(agreement), "verdict": str(Verdict.MEASURED if enough else Verdict.INSUFFICIENT_DATA)}
    timestamps = {name: document[name].isoformat() for name in ("window_start", "window_end")}
    if not enough:
        document |= {name: None for name in document if name not in _COUNTS} | {"quantiles": {}}
    return document | timestamps


def shadow_text(found: Mapping[str, Any] | None) -> str:
    """Describe the document of an agreement in two or three sentences.

    Returns NOTHING_SHADOWED if there is no agreement.
    """
    if not found:
        return NOTHING_SHADOWED
    served_by = ", ".join(f"v{version} {n:,}" for version, n in found["answered_by"].items())
    window = f"{_minute(found['window_start'])} to {_minute(found['window_end'])} UTC"
    scored = (
        f"As a shadow, v{found['challenger_version']} scored {counted(found['n_rows'], 'live request')} ({window}), "
        f"served by {served_by}."
    )
    if found["changed_share"] is None:
        return f"{scored} At least {MIN_ROWS} are required to compare the two."
    interval = f"95% interval {found['changed_low']:.1%}–{found['changed_high']:.1%}"
    correlation = "" if found["correlation"] is None else f", correlation {found['correlation']:.3f}"
    return (
        f"{scored} {found['changed_share']:.1%} of the predictions differ ({interval}); the mean probability differs "
        f"by {found['mean_difference']:+.4f}{correlation}. {labeled_text(found['labelled'])}"
    )


def labeled_text(labelled: Mapping[str, Any] | None) -> str:
    """Describe how often each of the two was correct on the labeled rows where they disagree."""
    if labelled is None:
        return "None of these requests has a label yet."
    ranked = ""
    if labelled["challenger_auc"] is not None:
        ranked = (
            f" ROC-AUC {labelled['challenger_auc']:.4f} vs {labelled['answer_auc']:.4f} "
            f"(p {format_p_value(labelled['auc_p_value'])})."
        )
    rows = counted(labelled["n_labelled"], "labeled request")
    if not labelled["n_changed"]:
        return f"On {rows} both predict the same.{ranked}"
    return (
        f"On {rows} they disagree on {labelled['n_changed']:,}: the challenger is correct in "
        f"{labelled['challenger_right']:,}, the served prediction in {labelled['answer_right']:,} "
        f"(p {format_p_value(labelled['p_value'])}).{ranked}"
    )


def shadow_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the figures as table rows. With too few requests, the only figure is the number of requests."""
    if found["changed_share"] is None:
        return [{"figure": "requests", "value": f"{found['n_rows']:,}"}]
    difference = {
        "mean": found["mean_difference"],
        "mean absolute": found["mean_absolute_difference"],
        "maximum absolute": found["largest_difference"],
        **{f"{float(q):.0%} quantile": value for q, value in found["quantiles"].items()},
    }
    return [
        {"figure": "requests", "value": f"{found['n_rows']:,}"},
        {"figure": "different prediction", "value": f"{found['changed_share']:.2%}"},
        {"figure": "to positive", "value": f"{found['n_to_positive']:,}"},
        {"figure": "to negative", "value": f"{found['n_to_negative']:,}"},
        *({"figure": f"probability difference, {name}", "value": f"{v:+.4f}"} for name, v in difference.items()),
    ]


def _minute(at: Any) -> str:
    return str(at)[:16].replace("T", " ")
