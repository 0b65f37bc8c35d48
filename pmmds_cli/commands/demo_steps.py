"""The demo's steps until an alert: train, send requests, and check for drift.

With the packaged sample, every step has exactly one expected result, and any other raises DemoFailedError. With other
data, the demo accepts every verdict and every decision, explains it and ends. Not here: the steps after the alert
(demo_retraining.py), the processes (demo_processes.py), the summary (output/demo_result.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from pmmds_cli.client.job_runner import run_job
from pmmds_cli.client.service_client import ServiceClient
from pmmds_cli.commands.demo_processes import DemoProcesses
from pmmds_cli.commands.demo_retraining import READY_SECONDS, DemoRetraining, demo_failed, wait_until
from pmmds_cli.commands.monitor import run_monitor
from pmmds_cli.commands.traffic import send, to_requests
from pmmds_cli.output.console import say
from pmmds_cli.output.demo_result import DemoOutcome, DemoResult
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DataError
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.reference_source import load_reference

if TYPE_CHECKING:
    import pandas as pd

FUTURE_SHARE = 0.4
N_CALM, N_DRIFTED = 300, 1500
SEED = 7


class Demo:
    """A demo run, which starts the processes, trains, forces drift, and waits for the retraining and the swap."""

    def __init__(self, settings: Settings) -> None:
        self.result = DemoResult()
        self.contract = Deployment(settings).contract
        reference, self.future = self._split_source(settings)
        path = settings.home_path / "demo-reference.csv"
        reference.to_csv(path, index=False)
        # With schedules on, a scheduled run could check a window before all of its requests have been sent.
        self._processes = DemoProcesses(msgspec.structs.replace(settings, data_path=str(path), schedules="off"))
        # A small file may have fewer rows than these maximums.
        self.n_calm = min(N_CALM, len(self.future) // 2)
        self.n_drifted = min(N_DRIFTED, len(self.future) - self.n_calm)
        self.scenario = "migration" if self.contract.is_packaged else "shift"

    @property
    def settings(self) -> Settings:
        return self._processes.settings

    def _split_source(self, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Split the data into rows to train on and rows to send later as labeled traffic."""
        source = load_reference(settings, self.contract)
        self.result.data = source.description
        self.is_scripted = source.kind == "sample"
        frame = source.data.frame.sample(frac=1.0, random_state=SEED).reset_index(drop=True)
        cut = round(len(frame) * (1 - FUTURE_SHARE))
        if len(frame) - cut < 2:
            raise DataError(
                f"The data has only {counted(len(frame), 'row')}, too few to train on some and send the others.",
                next_step="Use a file with at least a few hundred rows.",
            )
        self.result.n_reference = cut
        return frame.iloc[:cut], frame.iloc[cut:].reset_index(drop=True)

    @contextmanager
    def processes(self, *, keep_up: bool) -> Iterator[None]:
        """Start the real processes, and stop them at the end even if a step fails."""
        say(f"Data: {self.result.data}")
        with self._processes.running(keep_up=keep_up):
            self.deployment = Deployment(self.settings)
            yield

    def run(self) -> DemoResult:
        with ServiceClient(self.settings) as client:
            if self._train(client):
                self._monitor(client)
        self._measure_production()
        return self.result

    def _train(self, client: ServiceClient) -> bool:
        """Train the first model.

        Return False if the model was not promoted, which leaves the service without a model.
        """
        say("2/7  Training the first model (train_job)")
        outcome = run_job("train_job", self.settings)
        decision = self.deployment.decisions.of_run(outcome.run_id)
        assert decision is not None, "a successful run stores a decision"
        version = self.result.first_version = decision.challenger_version
        evaluation = self.deployment.decisions.latest_evaluation(run_id=outcome.run_id)
        self.result.first_metrics = evaluation.challenger_metrics
        say(f"     {decision.promotion_reason}")
        if not decision.promoted:
            return self.end(DemoOutcome.NOT_TRAINED, f"The first model was not promoted. {decision.promotion_reason}")
        problem = f"the service did not load v{version}"
        wait_until("the service", lambda: client.model_version() == version, READY_SECONDS, problem)
        say(f"     The service serves v{version}.")
        return True

    def _monitor(self, client: ServiceClient) -> None:
        """Check traffic without drift, then drifted traffic. If drift is detected, start the retraining steps."""
        document, rows = self._calm(client)
        if document["verdict"] != Verdict.DRIFTED:
            rows = self._drift(client)
            say("5/7  Checking for drift (monitor_job)")
            document = run_monitor(self.deployment)
        self.result.report, self.result.verdict = document["report"], document["verdict"]
        if document["verdict"] == Verdict.DRIFTED:
            DemoRetraining(self.deployment, client, self.result, self.end).run(rows, document)
            return
        reasons = " ".join(r for rule in _alerting(document) for r in rule["reasons"])
        if document["verdict"] == Verdict.STABLE:
            self.end(DemoOutcome.NO_DRIFT, f"No alert rule detected drift, so no model was retrained. {reasons}")
        else:
            self.end(DemoOutcome.TOO_FEW_ROWS, f"Too few rows for a verdict, so no model was retrained. {reasons}")

    def _calm(self, client: ServiceClient) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        say(f"3/7  Sending {counted(self.n_calm, 'request')} from the reference distribution and their labels")
        calm = self.future.iloc[: self.n_calm]
        sent = send(client, self.contract, calm, with_labels=True)
        self._await_logged(client, len(sent.answers))
        document = run_monitor(self.deployment)
        verdict = self.result.calm_verdict = document["verdict"]
        if self.is_scripted and verdict != Verdict.STABLE:
            raise demo_failed(f"the verdict on traffic without drift was {verdict}")
        say(f"     Verdict: {verdict.replace('_', ' ')} ({counted(document['n_current'], 'row')}).")
        if verdict == Verdict.DRIFTED:
            say("     This is a false alarm, because these rows have no drift. Step 4 is skipped.")
        return document, to_requests(calm, self.contract)

    def _drift(self, client: ServiceClient) -> list[dict[str, Any]]:
        from pmmds_core.synthetic.scenarios import apply_scenario

        n_drifted = counted(self.n_drifted, "drifted request")
        say(f"4/7  Sending {n_drifted} (scenario: {self.scenario}) and their labels")
        later = self.future.iloc[self.n_calm : self.n_calm + self.n_drifted].reset_index(drop=True)
        drifted = apply_scenario(later, self.contract, self.scenario, seed=SEED)
        sent = send(client, self.contract, drifted, with_labels=True)
        if sent.feedback is None or sent.feedback.unknown:
            raise demo_failed("the service rejected its own request ids")
        self._await_logged(client, self.n_calm + len(sent.answers))
        return to_requests(drifted, self.contract)

    def _await_logged(self, client: ServiceClient, n_rows: int) -> None:
        log = self.deployment.prediction_log

        def problem() -> str:
            spool = (client.health() or {}).get("parts", {}).get("spool", "nothing")
            return f"{log.count()} of {n_rows} served requests were logged; spool: {spool}"

        wait_until("the shipper to log the requests", lambda: log.count() >= n_rows, READY_SECONDS, problem)

    def end(self, outcome: DemoOutcome, account: str = "") -> bool:
        """Record the outcome, and return True if a model was promoted.

        With the packaged sample, any other outcome is an error.
        """
        is_promoted = outcome is DemoOutcome.PROMOTED
        if self.is_scripted and not is_promoted:
            raise demo_failed(f"the loop ended as {outcome}: {account.rstrip('.')}")
        self.result.outcome, self.result.account = outcome, account
        return is_promoted

    def _measure_production(self) -> None:
        from pmmds_core.evaluation.production import measure_production

        rows = self.deployment.ground_truth.labelled_rows()
        report = measure_production(rows, self.settings.drift_min_samples_required)
        self.result.production_auc = {v.model_version: v.roc_auc for v in report.versions if v.roc_auc is not None}


def _alerting(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for rule in document["rules"] if rule["rule"] in document["alert_rules"]]
