"""The `pmmds traffic` command, which sends simulated requests to the service, optionally with labels.

Not here: the rows (pmmds_core/synthetic/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.commands.completion import scenario_names
from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.progress import ProgressBar, progress
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_cli.client.service_client import Answer, Feedback, ServiceClient
    from pmmds_core.contracts.contract import Contract

_SAY_EVERY = 250


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds traffic --count 500 --drift migration --labels")(traffic)


@dataclass(frozen=True)
class SentTraffic:
    """The service's responses and the labels that were sent."""

    answers: list[Answer]
    labels: list[int]
    feedback: Feedback | None


def traffic(
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000_000, help="Number of requests.")] = 100,
    drift: Annotated[
        str,
        typer.Option("--drift", help="Drift scenario. An unknown name lists them all.", autocompletion=scenario_names),
    ] = "none",
    labels: Annotated[bool, typer.Option("--labels", help="Send labels to the feedback endpoint afterwards.")] = False,
    source: Annotated[str, typer.Option("--source", help="CSV with the rows to send. Default: generated rows.")] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the rows.")] = 1,
    json: JsonOption = False,
) -> None:
    """Send simulated requests to the running service."""
    from pmmds_cli.client.service_client import ServiceClient
    from pmmds_core.config.settings import load_settings
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.synthetic.scenarios import traffic_rows

    settings = load_settings()
    contract = load_contract(settings.contract)
    batch = traffic_rows(_source(settings, contract, source), contract, count, drift, seed)
    with ServiceClient(settings) as client:
        sent = send(client, contract, batch.frame, with_labels=labels)
    versions = sorted({a.model_version for a in sent.answers})
    if json:
        print_json(
            {"n_requests": len(sent.answers), "model_versions": versions, "feedback": vars_or_none(sent.feedback)}
        )
        return
    positive = sum(a.prediction for a in sent.answers) / len(sent.answers)
    print(
        f"{counted(len(sent.answers), 'request')} answered by v{', v'.join(versions)}; {positive:.1%} "
        "predicted positive."
    )
    if sent.feedback is not None:
        f = sent.feedback
        print(f"Labels: {f.accepted:,} accepted, {f.updated:,} updated, {f.unknown:,} unknown.")


def vars_or_none(feedback: Feedback | None) -> dict[str, int] | None:
    return None if feedback is None else dict(vars(feedback))


def _source(settings: Any, contract: Contract, path: str) -> Any:
    """Return the file's rows, or a generator, which is the packaged one or fitted on the reference data."""
    from pmmds_core.data.reader import read_source
    from pmmds_core.stores.files.reference_source import load_reference
    from pmmds_core.synthetic.generator import packaged_generator

    if path:
        return read_source(path, contract)
    if contract.is_packaged and not settings.data_path:
        return packaged_generator()
    from pmmds_core.synthetic.fit import fit_generator

    return fit_generator(load_reference(settings, contract).data, contract, seed=0)


def send(client: ServiceClient, contract: Contract, frame: Any, *, with_labels: bool) -> SentTraffic:
    """Send one request per row, then the labels if requested."""
    rows = to_requests(frame, contract)
    total = len(rows)
    with progress("requests") as bar:
        answers = client.predict_each(rows, lambda n: _report(bar, n, total))
    labels = [int(v) for v in frame[contract.label.name]]
    if not with_labels:
        return SentTraffic(answers, labels, None)
    words = (contract.label.negative, contract.label.positive)
    pairs = [(a.request_id, words[label]) for a, label in zip(answers, labels, strict=True)]
    with progress("labels"):
        return SentTraffic(answers, labels, client.send_labels(pairs))


def _report(bar: ProgressBar, n_sent: int, total: int) -> None:
    """Update the progress bar or, without a terminal, print a line at intervals."""
    bar(n_sent, total)
    if not bar.is_shown and n_sent % _SAY_EVERY == 0:
        say(f"  {n_sent:,} of {total:,} sent")


def to_requests(frame: Any, contract: Contract) -> list[dict[str, Any]]:
    """Convert each row to the `features` of a request body."""
    from pmmds_core.models.scorer_compiler import rows_of

    return [dict(zip(contract.feature_names, row, strict=True)) for row in rows_of(frame, contract)]
