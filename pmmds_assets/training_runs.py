"""One training at a time, however it was started: the executor of every job takes the training lock where a run trains.

The executor works in the process that carries the whole run, also where its steps work in other processes or on other
machines. `pmmds train` runs its job without this executor, and takes the same lock itself.
Keep out: the lock (pmmds_core/stores/lifecycle/training_lock.py), which executor it is (executors.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import dagster as dg

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.stores.lifecycle.training_lock import hold_training_lock

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode
    from dagster._core.execution.step_dependency_config import StepDependencyConfig

# `production_model` alone finishes promotions, which have a lock of their own.
TRAINING_STEPS = frozenset({"training_data", "trained_model", "model_evaluation", "promotion_decision"})


def training_lock_of(
    deployment: Callable[[], Deployment], steps: Iterable[str], run_id: str, on_wait: Callable[[str], None]
) -> AbstractContextManager[None]:
    """The training lock for a run of these steps, or nothing to hold where they train no model.

    Raises:
        RightMissingError: this login may not train.
    """
    if TRAINING_STEPS.isdisjoint(steps):
        return nullcontext()
    d = deployment().require_rights(PROMOTER)
    return hold_training_lock(d.database, d.model_name, run_id, on_wait=on_wait)


def refuse_variables(config: object) -> None:
    """Raises UsageError when a run's configuration names a variable, whose value the launcher might not know."""
    if isinstance(config, Mapping):
        if set(config) == {"env"}:
            raise UsageError(
                f"The configuration of a run names the variable {config['env']!r}; it may hold values only.",
                next_step="Launch the run with the value itself.",
            )
        for value in config.values():
            refuse_variables(value)
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for value in config:
            refuse_variables(value)


class OneTrainingAtATime(dg.Executor):
    """Another executor, whose runs hold the training lock where they train."""

    def __init__(self, inner: dg.Executor, deployment: Callable[[], Deployment]) -> None:
        self._inner = inner
        self._deployment = deployment

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        refuse_variables(plan_context.run_config)
        steps, log = execution_plan.step_keys_to_execute, plan_context.log
        with training_lock_of(self._deployment, steps, plan_context.run_id, log.info):
            yield from self._inner.execute(plan_context, execution_plan)


def one_training_at_a_time(
    executor: dg.ExecutorDefinition, deployment: Callable[[], Deployment]
) -> dg.ExecutorDefinition:
    """The executor under its own name and configuration, with the lock."""
    make: Any = executor.executor_creation_fn
    schema: Any = executor.config_schema  # taken as it is, which the library's annotation does not say
    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=schema,
        requirements=executor.get_requirements,
        executor_creation_fn=lambda context: OneTrainingAtATime(make(context), deployment),
        description=executor.description,
    )
