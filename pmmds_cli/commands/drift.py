"""The `pmmds drift compare` command, which compares two files for drift.

This command needs no deployment and imports no deployment code.

Not here: the comparison (pmmds_core/file_drift/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_text, say, terminal_width
from pmmds_cli.output.drift_table import WIDTH, moved, print_reasons, print_rule, print_wrapped
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_cli.output.progress import progress
from pmmds_core.errors import UsageError
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pmmds_core.drift.comparison import FeatureDrift
    from pmmds_core.file_drift.compare import FileComparison

NAMES = "Comma-separated; repeatable."
_HEAD = ("feature", "kind", "PSI", "by chance", "p", "band", "change")
_MIN_CHANGE = 24

drift_app = typer.Typer(help="Compare data sets for drift. This needs no deployment.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(drift_app, name="drift")
    drift_app.command("compare", epilog="Example: pmmds drift compare --reference may.parquet --current june.csv")(
        compare
    )


@drift_app.callback()
def _group() -> None:
    """Compare data sets for drift. This needs no deployment."""


def compare(
    reference: Annotated[
        str, typer.Option("--reference", help="Reference data: CSV, Parquet (file, folder, pattern) or saved profile.")
    ],
    current: Annotated[str, typer.Option("--current", help="Current data: CSV or Parquet (file, folder, pattern).")],
    contract: Annotated[
        str, typer.Option(help="Contract file, or telco_churn for the packaged one. Default: kinds are inferred.")
    ] = "",
    columns: Annotated[list[str] | None, typer.Option(help=f"Compare only these columns. {NAMES}")] = None,
    categorical: Annotated[list[str] | None, typer.Option(help=f"Columns to compare as categories. {NAMES}")] = None,
    numeric: Annotated[list[str] | None, typer.Option(help=f"Columns to compare as numbers. {NAMES}")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help=f"Columns to exclude. {NAMES}")] = None,
    na: Annotated[list[str] | None, typer.Option(help=f"Additional words that mean a missing value. {NAMES}")] = None,
    bins: Annotated[list[str] | None, typer.Option(help="Number of bins for a column: COLUMN=N, 2 to 50.")] = None,
    threshold: Annotated[list[str] | None, typer.Option(help="PSI threshold of a column: COLUMN=X.")] = None,
    delimiter: Annotated[str, typer.Option(help="Delimiter of CSV files. Default: detected.")] = "",
    decimal: Annotated[str, typer.Option(help="Decimal mark of numbers in text: . or , Default: detected.")] = "",
    thousands: Annotated[str, typer.Option(help="Thousands separator of numbers in text. Default: detected.")] = "",
    score: Annotated[
        str, typer.Option(help="Column with the model's score, reported but not counted as a feature.")
    ] = "",
    save_profile: Annotated[
        Path | None, typer.Option("--save-profile", help="Save the reference profile for later comparisons.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write an HTML report.")] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with code 3 on drift.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare two files, and show each column's PSI, the PSI expected by chance, the largest change, and a verdict.

    Exits with code 4 if there are too few rows for a verdict.
    """
    from pmmds_core.runtime.atomic_write import check_writable

    for path in (save_profile, html):
        if path is not None:
            check_writable(path, not_over=(Path(reference), Path(current)))
    from pmmds_core.config.settings import load_settings
    from pmmds_core.drift.policy import DriftRule
    from pmmds_core.file_drift.compare import compare_files
    from pmmds_core.stores.files.file_options import FileOptions

    options = FileOptions(
        categorical=frozenset(names_of(categorical)),
        numeric=frozenset(names_of(numeric)),
        ignore=frozenset(names_of(ignore)),
        na=tuple(names_of(na)),
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        decimal=decimal,
        thousands=thousands,
        bins={name: _whole(name, value) for name, value in _pairs(bins, "--bins")},
        thresholds={name: _number(name, value) for name, value in _pairs(threshold, "--threshold")},
    )
    rule = DriftRule.of(load_settings())
    with progress("comparison", json=json) as bar:
        result = compare_files(
            reference,
            current,
            contract=contract or None,
            columns=names_of(columns),
            score=score,
            rule=rule,
            options=options,
            on_progress=bar,
        )
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


def names_of(given: Sequence[str] | None) -> list[str]:
    """Parse the names in a repeatable option. Each value is a line of CSV, so that names with commas can be quoted.

    Raises:
        UsageError: a quote is not closed.
    """
    import csv

    try:
        lines = list(csv.reader(given or [], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise UsageError(
            f"A list of names is invalid: {error}.", next_step='Use "a, b" for a name with a comma.'
        ) from None
    return [name.strip() for line in lines for name in line if name.strip()]


def _pairs(given: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given or ():
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise UsageError(f"{option} is {text!r}.", next_step=f"Expected COLUMN=VALUE, such as {option} amount=20.")
        pairs.append((name, value))
    return pairs


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--bins {name}={text} is not a whole number.", next_step="Use 2 to 50.") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--threshold {name}={text} is not a number.", next_step="Use a number such as 0.2.") from None


def _write(result: FileComparison, profile: Path | None, html: Path | None) -> None:
    """Render the profile and the HTML report, then write both."""
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
    # Importing Rich would take longer than comparing 100,000 rows.
    ordered = sorted(result.features, key=lambda f: (f.psi is None, -(f.psi or 0.0)))
    rows = [_HEAD, *(_row(f) for f in ordered)]
    widths = [min(24, max(len(row[i]) for row in rows)) for i in range(len(_HEAD) - 1)]
    for row in rows:
        cells = [_cut(cell, width) for cell, width in zip(row, widths, strict=False)]
        aligned = [
            c.rjust(w) if i in (2, 3, 4) else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        _print_row("  ".join(aligned), row[-1])
    print()
    for remark in result.remarks:
        print_wrapped(remark, "")
    now, before = counted(result.n_current, "row"), counted(result.profile.n_rows, "row")
    print_text(f"{result.current} ({now}) against {result.reference} ({before}).")
    alerting = [rule for rule in result.verdict.rules if rule.rule in result.verdict.alert_rules]
    verdict = str(result.verdict.verdict).replace("_", " ").capitalize()
    print_wrapped(" ".join([f"{verdict}.", *(rule.reasons[0] for rule in alerting)]), "")
    print_reasons([reason for rule in alerting for reason in rule.reasons[1:]])
    for rule in result.verdict.rules:
        if rule not in alerting:
            print_rule(asdict(rule), raises_alerts=False)


def _print_row(line: str, change: str) -> None:
    """Print a feature with its change, which is below it if the terminal is narrow."""
    room = terminal_width(WIDTH) - len(line) - 2
    if room >= _MIN_CHANGE:
        print_text(f"{line}  {_cut(change, room)}".rstrip())
        return
    print_text(line.rstrip())
    if change != _HEAD[-1]:
        print_text(f"    {_cut(change, terminal_width(WIDTH) - 4)}")


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
