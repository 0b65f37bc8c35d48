"""A shadow's agreement in a person's words, for the page, the command line and Dagster. Keep out: measuring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pmmds_core.evaluation.shadow import ShadowAgreement
from pmmds_core.statistics.p_values import format_p_value

NOTHING_SHADOWED = "The challenger has not scored live traffic yet (PMMDS_SHADOW=on lets it)."


def to_document(agreement: ShadowAgreement) -> dict[str, Any]:
    """The agreement as JSON: instants as text."""
    found = asdict(agreement)
    return {**found, **{name: found[name].isoformat() for name in ("window_start", "window_end")}}


def shadow_text(found: Mapping[str, Any] | None) -> str:
    """Two or three sentences on an agreement's document; said too when there is none."""
    if not found:
        return NOTHING_SHADOWED
    answered = ", ".join(f"v{version} {n:,}" for version, n in found["answered_by"].items())
    window = f"{_minute(found['window_start'])} to {_minute(found['window_end'])} UTC"
    interval = f"95 % interval {found['changed_low']:.1%}–{found['changed_high']:.1%}"
    correlation = "" if found["correlation"] is None else f", correlation {found['correlation']:.3f}"
    return (
        f"As a shadow v{found['challenger_version']} scored {found['n_rows']:,} live requests ({window}), answered by "
        f"{answered}. It would have decided {found['changed_share']:.1%} otherwise ({interval}); the mean probability "
        f"differs by {found['mean_difference']:+.4f}{correlation}. {label_words(found['labelled'])}"
    )


def label_words(labelled: Mapping[str, Any] | None) -> str:
    """Which of the two was right where they disagreed and the truth is known."""
    if labelled is None:
        return "No label of them is known yet."
    ranked = ""
    if labelled["challenger_auc"] is not None:
        ranked = (
            f" ROC-AUC {labelled['challenger_auc']:.4f} against {labelled['answer_auc']:.4f} "
            f"(p {format_p_value(labelled['auc_p_value'])})."
        )
    if not labelled["n_changed"]:
        return f"On the {labelled['n_labelled']:,} labelled ones both decide alike.{ranked}"
    return (
        f"Of {labelled['n_labelled']:,} labelled ones they disagree on {labelled['n_changed']:,}: the challenger is "
        f"right in {labelled['challenger_right']:,}, the answer in {labelled['answer_right']:,} "
        f"(p {format_p_value(labelled['p_value'])}).{ranked}"
    )


def shadow_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures as rows of a table."""
    difference = {
        "mean": found["mean_difference"],
        "mean, without sign": found["mean_absolute_difference"],
        "largest, without sign": found["largest_difference"],
        **{f"{float(q):.0%} quantile": value for q, value in found["quantiles"].items()},
    }
    return [
        {"figure": "requests", "value": f"{found['n_rows']:,}"},
        {"figure": "decided otherwise", "value": f"{found['changed_share']:.2%}"},
        {"figure": "to positive", "value": f"{found['n_to_positive']:,}"},
        {"figure": "to negative", "value": f"{found['n_to_negative']:,}"},
        *({"figure": f"difference of probability, {name}", "value": f"{v:+.4f}"} for name, v in difference.items()),
    ]


def _minute(instant: Any) -> str:
    return str(instant)[:16].replace("T", " ")
