"""The steps of the demo. Each raises DemoFailedError if its result is not as expected.

Not here: the summary (output/demo_result.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pmmds_cli.client.job_runner import run_job
from pmmds_cli.client.service_client import BackgroundTraffic, ServiceClient
from pmmds_cli.commands.monitor import run_monitor
from pmmds_cli.commands.service import start, stop
from pmmds_cli.commands.traffic import send, to_requests
from pmmds_cli.output.console import say
from pmmds_cli.output.demo_result import DemoResult
from pmmds_cli.processes.ports import free_ports
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError, PortTakenError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.reference_source import load_reference

if TYPE_CHECKING:
    import pandas as pd

FUTURE_SHARE = 0.4
N_CALM, N_DRIFTED = 300, 1500
SEED = 7
PORTS = ("http_port", "grpc_port", "dagster_port", "mlflow_port")
PORT_ATTEMPTS = 3
# Time limits; a small or busy machine takes several times as long as an idle one.
RETRAIN_SECONDS, SWAP_SECONDS, READY_SECONDS = 600.0, 120.0, 180.0


class DemoFailedError(PmmdsError):
    """A step of the demo failed."""


class Demo:
    """Demo run: starts the stack, trains, forces drift, waits for retraining and the swap."""

    def __init__(self, settings: Settings) -> None:
        self.result = DemoResult()
        self.contract = Deployment(settings).contract
        reference, self.future = self._split_source(settings)
        path = settings.home_path / "demo-reference.csv"
        reference.to_csv(path, index=False)
        # A scheduled run could check the window before all its requests are sent.
        self.settings = msgspec.structs.replace(settings, data_path=str(path), schedules="off")
        # A small file provides fewer rows.
        self.n_calm = min(N_CALM, len(self.future) // 2)
        self.n_drifted = min(N_DRIFTED, len(self.future) - self.n_calm)
        self.scenario = "migration" if self.contract.is_packaged else "shift"

    def _split_source(self, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows to train on, and the rows to send as later traffic with labels."""
        source = load_reference(settings, self.contract)
        self.result.data = source.description
        frame = source.data.frame.sample(frac=1.0, random_state=SEED).reset_index(drop=True)
        cut = round(len(frame) * (1 - FUTURE_SHARE))
        self.result.n_reference = cut
        return frame.iloc[:cut], frame.iloc[cut:].reset_index(drop=True)

    @contextmanager
    def processes(self, *, keep_up: bool) -> Iterator[None]:
        """Start the real processes; stop them at the end, even if a step fails."""
        say(f"Data: {self.result.data}")
        done = False
        try:
            self._start()
            yield
            done = True
        finally:
            if not (done and keep_up):
                say("Stopping the processes")
                stop(self.settings)

    def _start(self) -> None:
        """Start the processes; try other ports if one is taken between its choice and its use."""
        say(f"1/7  Starting the service, Dagster's web server and daemon, and MLflow ({self.settings.home})")
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            self._take_ports()
            try:
                start(self.settings)
            except PortTakenError as error:
                if not attempts_left:
                    raise
                say(f"     {error.message}")
                stop(self.settings)
            else:
                return

    def _take_ports(self) -> None:
        wanted = {name: getattr(self.settings, name) for name in PORTS}
        free = free_ports(wanted)
        for name in (n for n in PORTS if free[n] != wanted[n]):
            say(f"     Port {wanted[name]} is in use; using {free[name]} instead.")
        self.settings = msgspec.structs.replace(self.settings, **free)
        # Child processes and in-process jobs read these variables.
        os.environ.update(self.settings.to_environment())
        self.deployment = Deployment(self.settings)

    def run(self) -> DemoResult:
        with ServiceClient(self.settings) as client:
            self._train(client)
            self._calm(client)
            drifted = self._drift(client)
            self._retrain(client, drifted)
        self._measure_production()
        return self.result

    def _train(self, client: ServiceClient) -> None:
        say("2/7  Training the first model (train_job)")
        outcome = run_job("train_job", self.settings)
        decision = self.deployment.decisions.of_run(outcome.run_id)
        _must(decision is not None and decision.promoted, "the first model was not promoted")
        assert decision is not None
        self.result.first_version = decision.challenger_version
        evaluation = self.deployment.decisions.latest_evaluation(run_id=outcome.run_id)
        self.result.first_metrics = evaluation.challenger_metrics
        say(f"     {decision.promotion_reason}")
        version = decision.challenger_version
        _wait(lambda: client.model_version() == version, READY_SECONDS, f"the service did not load v{version}")
        say(f"     The service serves v{version}.")

    def _calm(self, client: ServiceClient) -> None:
        say(f"3/7  Sending {self.n_calm} requests from the reference distribution and their labels")
        sent = send(client, self.contract, self.future.iloc[: self.n_calm], with_labels=True)
        self._await_logged(client, len(sent.answers))
        document = run_monitor(self.deployment)
        self.result.calm_verdict = document["verdict"]
        _must(document["verdict"] == Verdict.STABLE, f"the verdict on traffic without drift was {document['verdict']}")
        say(f"     Verdict: stable ({document['n_current']} rows).")

    def _drift(self, client: ServiceClient) -> list[dict[str, Any]]:
        from pmmds_core.synthetic.scenarios import apply_scenario

        say(f"4/7  Sending {self.n_drifted} drifted requests (scenario: {self.scenario}) and their labels")
        later = self.future.iloc[self.n_calm : self.n_calm + self.n_drifted].reset_index(drop=True)
        drifted = apply_scenario(later, self.contract, self.scenario, seed=SEED)
        sent = send(client, self.contract, drifted, with_labels=True)
        _must(
            sent.feedback is not None and sent.feedback.unknown == 0,
            "the service rejected the labels of some logged requests",
        )
        self._await_logged(client, self.n_calm + len(sent.answers))
        return to_requests(drifted, self.contract)

    def _await_logged(self, client: ServiceClient, n_rows: int) -> None:
        log = self.deployment.prediction_log

        def problem() -> str:
            spool = (client.health() or {}).get("parts", {}).get("spool", "nothing")
            return f"{log.count()} of {n_rows} served requests were logged; spool: {spool}"

        _wait(lambda: log.count() >= n_rows, READY_SECONDS, problem)

    def _retrain(self, client: ServiceClient, rows: list[dict[str, Any]]) -> None:
        """Monitor, then keep sending requests while the sensor retrains and the service swaps."""
        say("5/7  Checking for drift (monitor_job)")
        document = run_monitor(self.deployment)
        _must(document["verdict"] == Verdict.DRIFTED, f"the drift was not detected: {document['verdict']}")
        alerts = self.deployment.alerts.open_alerts()
        _must(len(alerts) == 1, f"{len(alerts)} alerts are open instead of one")
        self.result.alert_id, self.result.report = alerts[0].alert_id, document["report"]
        self.result.drifted_features = _over(document, self.settings.drift_psi_threshold)
        say(f"     Alert {alerts[0].alert_id}: {alerts[0].message}")
        with BackgroundTraffic(client, rows).running() as traffic:
            self._await_retraining(alerts[0])
            self._await_swap(client)
            last = self.result.last_version
            _wait(lambda: traffic.has_answer_of(last), SWAP_SECONDS, f"no prediction came from v{last}")
            self.result.alert_to_answer_seconds = time.time() - alerts[0].opened_at.timestamp()
        self.result.n_requests_during_swap = traffic.n_answered + len(traffic.failures)
        self.result.n_failed_requests = len(traffic.failures)
        _must(not traffic.failures, f"requests failed during the swap: {traffic.failures[:1]}")

    def _await_retraining(self, alert: Any) -> None:
        say("6/7  Waiting for Dagster's sensor to start and finish a retraining")
        store = self.deployment.retrainings
        _wait(lambda: bool(store.attempts_of(alert.alert_id)), RETRAIN_SECONDS, "the sensor started no retraining")
        attempt = store.attempts_of(alert.alert_id)[0]
        self.result.alert_to_run_seconds = self._run_started(alert)
        waited = self.result.alert_to_run_seconds
        say(f"     Attempt {attempt.attempt} is running; its run started {waited:.1f} s after the alert.")
        _wait(lambda: not store.running(), RETRAIN_SECONDS, "the retraining did not finish")
        run = store.recent(1)[0]
        assert run.finished_at is not None
        self.result.retraining_seconds = (run.finished_at - run.started_at).total_seconds()
        say(f"     {run.outcome}: {run.reason}")
        _must(run.outcome == "promoted", f"the retraining ended as {run.outcome}: {run.reason}")
        decision = self.deployment.decisions.of_run(run.run_id)
        assert decision is not None
        self.result.decision = decision.to_document()
        self.result.last_version = decision.challenger_version

    def _run_started(self, alert: Any) -> float:
        """Seconds from the alert's row to the start of the Dagster run that it triggered."""
        from pmmds_cli.client.job_runner import shared_instance

        run_id = self.deployment.retrainings.recent(1)[0].run_id
        stats = shared_instance(self.settings).get_run_stats(run_id)
        started: float | None = stats.start_time
        assert started is not None
        opened: datetime = alert.opened_at
        return started - opened.timestamp()

    def _await_swap(self, client: ServiceClient) -> None:
        version = self.result.last_version
        say(f"7/7  Waiting for the service to serve v{version}")
        _wait(lambda: client.model_version() == version, SWAP_SECONDS, f"the service did not swap to v{version}")
        seen = time.time()
        moved_at = self.deployment.decisions.recent(1)[0].moved_at
        assert moved_at is not None
        self.result.swap_seconds = max(0.0, seen - moved_at.timestamp())

    def _measure_production(self) -> None:
        from pmmds_core.evaluation.production import measure_production

        rows = self.deployment.ground_truth.labelled_rows()
        report = measure_production(rows, self.settings.drift_min_samples_required)
        self.result.production_auc = {v.model_version: v.roc_auc for v in report.versions if v.roc_auc is not None}


def _over(document: dict[str, Any], threshold: float) -> dict[str, float]:
    """Return the PSI of the features above the threshold; the score is excluded."""
    features = (f for f in document["features"] if f["feature"] != SCORE)
    return {f["feature"]: f["psi"] for f in features if f["psi"] is not None and f["psi"] > threshold}


def _must(holds: bool, problem: str) -> None:
    if not holds:
        raise DemoFailedError(f"The demo failed: {problem}.")


def _wait(is_done: Callable[[], bool], seconds: float, problem: str | Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            _must(False, f"{problem if isinstance(problem, str) else problem()} (within {seconds:.0f} s)")
        time.sleep(0.05)
