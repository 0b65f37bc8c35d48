"""Text of a shadow agreement for the page, the command line and Dagster.

Not here: measuring (evaluation/shadow.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pmmds_core.evaluation.shadow import ShadowAgreement
from pmmds_core.statistics.p_values import format_p_value

NOTHING_SHADOWED = "The challenger has not scored live traffic yet (set PMMDS_SHADOW=on)."


def to_document(agreement: ShadowAgreement) -> dict[str, Any]:
    """The agreement as JSON values; timestamps in ISO format."""
    document = asdict(agreement)
    return {**document, **{name: document[name].isoformat() for name in ("window_start", "window_end")}}


def shadow_text(found: Mapping[str, Any] | None) -> str:
    """Two or three sentences about an agreement's document; NOTHING_SHADOWED if there is none."""
    if not found:
        return NOTHING_SHADOWED
    served_by = ", ".join(f"v{version} {n:,}" for version, n in found["answered_by"].items())
    window = f"{_minute(found['window_start'])} to {_minute(found['window_end'])} UTC"
    interval = f"95% interval {found['changed_low']:.1%}–{found['changed_high']:.1%}"
    correlation = "" if found["correlation"] is None else f", correlation {found['correlation']:.3f}"
    return (
        f"As a shadow, v{found['challenger_version']} scored {found['n_rows']:,} live requests ({window}), served by "
        f"{served_by}. {found['changed_share']:.1%} of the predictions differ ({interval}); the mean probability "
        f"differs by {found['mean_difference']:+.4f}{correlation}. {labeled_text(found['labelled'])}"
    )


def labeled_text(labelled: Mapping[str, Any] | None) -> str:
    """How often each of the two was correct on labeled rows where they disagree."""
    if labelled is None:
        return "None of these requests has a label yet."
    ranked = ""
    if labelled["challenger_auc"] is not None:
        ranked = (
            f" ROC-AUC {labelled['challenger_auc']:.4f} vs {labelled['answer_auc']:.4f} "
            f"(p {format_p_value(labelled['auc_p_value'])})."
        )
    if not labelled["n_changed"]:
        return f"On the {labelled['n_labelled']:,} labeled requests both predict the same.{ranked}"
    return (
        f"On {labelled['n_labelled']:,} labeled requests they disagree on {labelled['n_changed']:,}: the challenger is "
        f"correct in {labelled['challenger_right']:,}, the served prediction in {labelled['answer_right']:,} "
        f"(p {format_p_value(labelled['p_value'])}).{ranked}"
    )


def shadow_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures as rows of a table."""
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
