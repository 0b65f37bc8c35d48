"""An executor wrapper that holds the training lock while a run trains, so that only one training runs at a time.

The executor runs in the process of the whole run, even if its steps run in other processes or on other machines.
`pmmds train` runs its job without this executor and takes the same lock itself. Not here: the lock
(pmmds_core/stores/lifecycle/training_lock.py), the choice of executor (executors.py).
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
    from pmmds_assets.dagster_internals import (
        ExecutionPlan,
        PlanOrchestrationContext,
        RetryMode,
        StepDependencyConfig,
    )

# The assets that train a model. `production_model` is not included, because promotions have their own lock.
TRAINING_STEPS = frozenset({"training_data", "trained_model", "model_evaluation", "promotion_decision"})


def training_lock_of(
    deployment: Callable[[], Deployment], steps: Iterable[str], run_id: str, on_wait: Callable[[str], None]
) -> AbstractContextManager[None]:
    """Return the training lock for a run of these steps, or a null context if none of them trains a model.

    Raises:
        RightMissingError: this login may not train.
    """
    # The last part of a step's name is the asset's name without a project's key prefix.
    if TRAINING_STEPS.isdisjoint(step.rpartition("__")[2] for step in steps):
        return nullcontext()
    opened = deployment().require_rights(PROMOTER)
    return hold_training_lock(opened.database, opened.model_name, run_id, on_wait=on_wait)


def refuse_variables(config: object) -> None:
    """Raise UsageError if the run configuration refers to an environment variable, which may contain a secret."""
    if isinstance(config, Mapping):
        if set(config) == {"env"}:
            raise UsageError(
                f"The run configuration refers to the environment variable {config['env']!r}; only values are allowed.",
                next_step="Enter the value itself in the run configuration.",
            )
        for value in config.values():
            refuse_variables(value)
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for value in config:
            refuse_variables(value)


class OneTrainingAtATime(dg.Executor):
    """An executor that wraps another executor so that training runs hold the training lock."""

    def __init__(self, inner: dg.Executor, deployment: Callable[[], Deployment]) -> None:
        self._inner = inner
        self._deployment = deployment

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def __getattr__(self, name: str) -> Any:
        """Delegate to the wrapped executor, whose run loop reads its own attributes, such as Celery's `app_args`."""
        return getattr(self._inner, name)

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
    """Wrap an executor definition, keeping its name and configuration."""
    make: Any = executor.executor_creation_fn
    schema: Any = executor.config_schema  # Dagster accepts any configuration schema, contrary to the annotation.
    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=schema,
        requirements=executor.get_requirements,
        executor_creation_fn=lambda context: OneTrainingAtATime(make(context), deployment),
        description=executor.description,
    )
