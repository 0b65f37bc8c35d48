"""The demo's steps after the alert: wait for the retraining and, if a model was promoted, for the swap.

Not here: the steps until the alert (demo_steps.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pmmds_cli.client.service_client import BackgroundTraffic, ServiceClient
from pmmds_cli.output.console import say
from pmmds_cli.output.demo_result import DemoOutcome, DemoResult
from pmmds_cli.output.waiting import waiting
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.policies.retraining import BLOCKED_NO_LABELS, HELD, PROMOTED
from pmmds_core.profiling.bins import SCORE

if TYPE_CHECKING:
    from pmmds_core.stores.lifecycle.alerts import Alert
    from pmmds_core.stores.lifecycle.retrainings import RetrainingRun

# Time limits are generous, because a small or busy machine takes several times as long as an idle one.
RETRAIN_SECONDS, SWAP_SECONDS, READY_SECONDS = 600.0, 120.0, 180.0
# These outcomes without a new model count as success on the user's own data.
_WITHOUT_MODEL = {HELD: DemoOutcome.HELD, BLOCKED_NO_LABELS: DemoOutcome.BLOCKED}


class DemoFailedError(PmmdsError):
    """A step of the demo failed."""


def demo_failed(problem: str) -> DemoFailedError:
    return DemoFailedError(f"The demo failed: {problem}.")


def wait_until(what: str, is_done: Callable[[], bool], seconds: float, problem: str | Callable[[], str]) -> None:
    """Wait until a condition is true, and report that the demo waits for `what`. Raises DemoFailedError on timeout."""
    deadline = time.monotonic() + seconds
    with waiting(what):
        while not is_done():
            if time.monotonic() > deadline:
                raise demo_failed(f"{problem if isinstance(problem, str) else problem()} (within {seconds:.0f} s)")
            time.sleep(0.05)


class DemoRetraining:
    """The demo's last steps, which send requests while a retraining runs and the service swaps models.

    `end` records the outcome.
    """

    def __init__(
        self,
        deployment: Deployment,
        client: ServiceClient,
        result: DemoResult,
        end: Callable[[DemoOutcome, str], bool],
    ) -> None:
        self.deployment, self.client, self.result, self._end = deployment, client, result, end

    def run(self, rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> None:
        """Send `rows` until the new version answers. `document` is the drift report that raised the alert."""
        alert = self.deployment.alerts.get(document["alert_id"])
        self.result.alert_id = alert.alert_id
        self.result.drifted_features = _over(document, self.deployment.settings.drift_psi_threshold)
        say(f"     Alert {alert.alert_id}: {alert.message}")
        with BackgroundTraffic(self.client, rows).running() as traffic:
            if self._await_retraining(alert):
                self._await_swap()
                last = self.result.last_version
                wait_until(
                    "its first prediction",
                    lambda: traffic.has_answer_of(last),
                    SWAP_SECONDS,
                    f"the service returned no prediction by v{last}",
                )
                self.result.alert_to_answer_seconds = time.time() - alert.opened_at.timestamp()
        self.result.n_requests_during_swap = traffic.n_answered + len(traffic.failures)
        self.result.n_failed_requests = len(traffic.failures)
        if traffic.failures:
            raise demo_failed(f"requests failed during the retraining: {traffic.failures[:1]}")

    def _await_retraining(self, alert: Alert) -> bool:
        """Wait for the retraining that the alert triggers. Return False if the retraining promoted no model."""
        say("6/7  Waiting for Dagster's sensor to start a retraining and for the retraining to finish")
        store = self.deployment.retrainings
        problem = "the sensor started no retraining"
        wait_until("the sensor", lambda: bool(store.attempts_of(alert.alert_id)), RETRAIN_SECONDS, problem)
        attempt = store.attempts_of(alert.alert_id)[0]
        waited = self.result.alert_to_run_seconds = self._run_started(alert)
        say(f"     Attempt {attempt.attempt} is running; its run started {waited:.1f} s after the alert.")
        wait_until("the retraining", lambda: not store.running(), RETRAIN_SECONDS, "the retraining did not finish")
        return self._finished(store.recent(1)[0])

    def _finished(self, run: RetrainingRun) -> bool:
        assert run.finished_at is not None
        self.result.retraining_seconds = (run.finished_at - run.started_at).total_seconds()
        say(f"     {run.outcome.replace('_', ' ')}: {run.reason}")
        decision = self.deployment.decisions.of_run(run.run_id)
        self.result.decision = {} if decision is None else decision.to_document()
        if run.outcome == PROMOTED and decision is not None:
            self.result.last_version = decision.challenger_version
            return self._end(DemoOutcome.PROMOTED, "")
        if run.outcome not in _WITHOUT_MODEL:
            raise demo_failed(f"the retraining ended as {run.outcome}: {run.reason.rstrip('.')}")
        stays = f"v{self.result.first_version} stays in production"
        return self._end(_WITHOUT_MODEL[run.outcome], f"{stays}. {run.reason}")

    def _run_started(self, alert: Alert) -> float:
        """Return how many seconds passed between the alert and the start of the Dagster run that it triggered."""
        from pmmds_cli.client.job_runner import shared_instance

        run_id = self.deployment.retrainings.recent(1)[0].run_id
        stats = shared_instance(self.deployment.settings).get_run_stats(run_id)
        started: float | None = stats.start_time
        assert started is not None
        return started - alert.opened_at.timestamp()

    def _await_swap(self) -> None:
        version = self.result.last_version
        say(f"7/7  Waiting for the service to serve v{version}")
        problem = f"the service did not swap to v{version}"
        wait_until("the watcher", lambda: self.client.model_version() == version, SWAP_SECONDS, problem)
        seen = time.time()
        moved_at = self.deployment.decisions.recent(1)[0].moved_at
        assert moved_at is not None
        self.result.swap_seconds = max(0.0, seen - moved_at.timestamp())


def _over(document: Mapping[str, Any], threshold: float) -> dict[str, float]:
    """Return the PSI of each feature that exceeds the threshold. The score is excluded."""
    features = (f for f in document["features"] if f["feature"] != SCORE)
    return {f["feature"]: f["psi"] for f in features if f["psi"] is not None and f["psi"] > threshold}
