"""drift compare: the drift between two files. Needs no deployment and imports no deployment code.

Not here: the comparison (pmmds_core/file_drift/).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.drift_table import WIDTH, moved, print_reasons, print_rule, print_wrapped
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pmmds_core.drift.comparison import FeatureDrift
    from pmmds_core.file_drift.compare import FileComparison

drift_app = typer.Typer(help="Compare data sets for drift; no deployment needed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(drift_app, name="drift")
    drift_app.command("compare", epilog="Example: pmmds drift compare --reference may.parquet --current june.csv")(
        compare
    )


@drift_app.callback()
def _group() -> None:
    """Compare data sets for drift; no deployment needed."""


def compare(
    reference: Annotated[Path, typer.Option("--reference", help="Reference data: CSV, Parquet, or saved profile.")],
    current: Annotated[Path, typer.Option("--current", help="Current data: CSV or Parquet.")],
    contract: Annotated[
        str, typer.Option(help="Contract file, or telco_churn for the packaged one. Default: infer the kinds.")
    ] = "",
    columns: Annotated[str, typer.Option(help="Compare only these columns, comma-separated.")] = "",
    score: Annotated[
        str, typer.Option(help="Column with the model's score; reported, but not counted as a feature.")
    ] = "",
    save_profile: Annotated[
        Path | None, typer.Option("--save-profile", help="Save the reference profile for later comparisons.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write an HTML report.")] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with code 3 on drift.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare two files: PSI of each column, PSI expected by chance, largest change, and a verdict.

    Exits with code 4 if there are too few rows for a verdict.
    """
    from pmmds_core.runtime.atomic_write import check_writable

    for path in (save_profile, html):
        if path is not None:
            check_writable(path, not_over=(reference, current))
    from pmmds_core.config.settings import load_settings
    from pmmds_core.drift.policy import DriftRule
    from pmmds_core.file_drift.compare import compare_files

    s = load_settings()
    rule = DriftRule.of(s)
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    result = compare_files(reference, current, contract=contract or None, columns=chosen, score=score, rule=rule)
    _write(result, save_profile, html)
    if json:
        print_json(result.document)
    else:
        _print_comparison(result)
    verdict = result.verdict.verdict
    if verdict is Verdict.INSUFFICIENT_DATA:
        raise typer.Exit(ExitCode.TOO_FEW_ROWS)
    if verdict is Verdict.DRIFTED and fail_on_drift:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)


def _write(result: FileComparison, profile: Path | None, html: Path | None) -> None:
    """Render everything before the first file is written."""
    contents: list[tuple[Path, bytes]] = []
    if html is not None:
        contents.append((html, result.to_html().encode()))
    if profile is not None:
        contents.append((profile, result.profile.to_json()))
    if contents:
        from pmmds_core.runtime.atomic_write import write_atomically

        for path, content in contents:
            write_atomically(path, content)
            say(f"Wrote {path}.")


def _print_comparison(result: FileComparison) -> None:
    # Not with Rich: its import takes longer than the comparison of 100,000 rows.
    head = ("feature", "kind", "PSI", "by chance", "p", "band", "change")
    ordered = sorted(result.features, key=lambda f: (f.psi is None, -(f.psi or 0.0)))
    rows = [head, *(_row(f) for f in ordered)]
    widths = [min(24, max(len(row[i]) for row in rows)) for i in range(len(head) - 1)]
    for row in rows:
        cells = [_cut(cell, width) for cell, width in zip(row, widths, strict=False)]
        aligned = [
            c.rjust(w) if i in (2, 3, 4) else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        line = "  ".join(aligned)
        print(f"{line}  {_cut(row[-1], WIDTH - len(line) - 2)}".rstrip())
    print()
    for note in result.notes:
        if note.kind is None or "most frequent" in note.why:
            print(f"{note.column}: {'left out, ' if note.kind is None else ''}{note.why}")
    print(f"{result.current} ({result.n_current:,} rows) against {result.reference} ({result.profile.n_rows:,} rows).")
    alerting = [rule for rule in result.verdict.rules if rule.rule in result.verdict.alert_rules]
    verdict = str(result.verdict.verdict).replace("_", " ").capitalize()
    print_wrapped(" ".join([f"{verdict}.", *(rule.reasons[0] for rule in alerting)]), "")
    print_reasons([reason for rule in alerting for reason in rule.reasons[1:]])
    for rule in result.verdict.rules:
        if rule not in alerting:
            print_rule(asdict(rule), raises_alerts=False)


def _row(feature: FeatureDrift) -> tuple[str, ...]:
    name = "(score)" if feature.feature == "__score__" else feature.feature
    p = feature.p_value
    return (
        name,
        feature.kind,
        "–" if feature.psi is None else f"{feature.psi:.4f}",
        "–" if feature.psi_expected_by_chance is None else f"{feature.psi_expected_by_chance:.4f}",
        "–" if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}",
        str(feature.band),
        moved(feature.statement),
    )


def _cut(text: str, width: int) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= width else clean[: width - 1] + "…"
