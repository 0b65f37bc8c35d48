"""The loop as part of another Dagster project: `build_defs` with the project's own keys, groups and schedules.

Not here: the code location that PMMDS itself starts (definitions.py), the component (component.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from pmmds_assets.assets.data import make_reference_data
from pmmds_assets.assets.monitoring import external_assets
from pmmds_assets.assets.retention import make_retention
from pmmds_assets.dagster_internals import renamed
from pmmds_assets.executors import step_executor
from pmmds_assets.jobs import SCHEDULE_PLANS, make_jobs, make_schedules
from pmmds_assets.names import LoopNames
from pmmds_assets.parts import PARTS, assets_of, check_parts
from pmmds_assets.resources import DeploymentResource, deployment_of, mlflow_run, variables_over
from pmmds_assets.rollback import make_automatic_rollback_sensor, make_rollback_job
from pmmds_assets.sensors import make_sensors
from pmmds_assets.training_runs import one_training_at_a_time
from pmmds_core.config.given import variable_name
from pmmds_core.config.settings import load_settings, setting_types
from pmmds_core.config.toml_paths import nearest
from pmmds_core.config.toml_values import native
from pmmds_core.errors import SettingError

Schedules = bool | Mapping[str, bool | str]


def build_defs(
    *,
    key_prefix: str | Sequence[str] = (),
    group_name: str = "",
    parts: Collection[str] = tuple(PARTS),
    schedules: Schedules = True,
    upstream: Collection[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Return the loop's assets, jobs, schedules, sensors and resources, to merge into a Dagster project.

    Args:
        key_prefix: first part or parts of every asset key, and of the names of jobs, schedules, sensors and ops. A
            string is split at slashes.
        group_name: the group of all assets. If empty, the groups are data, training, monitoring and promotion.
        parts: the parts of the loop: training, retraining, monitoring, performance, archive, rollback.
        schedules: False for no schedules, or a mapping from parts (monitoring, performance, archive) to a cron
            expression in UTC, True for the default expression, or False.
        upstream: keys of the project's assets, such as `warehouse/customers`, that write the reference data.
        settings: PMMDS settings by name, such as `home` and `contract`. A PMMDS_* variable of this process takes
            precedence. None uses only the variables and pmmds.toml.

    Raises:
        SettingError: an argument or a setting is not valid, or the executor's library is not installed.
    """
    check_parts(parts)
    names = LoopNames(tuple(key_prefix.split("/")) if isinstance(key_prefix, str) and key_prefix else tuple(key_prefix))
    given = None if settings is None else _variables(settings)
    resource = DeploymentResource() if given is None else deployment_of(given)
    loaded = load_settings(None if given is None else variables_over(given))
    executor = one_training_at_a_time(step_executor(loaded), resource.open)
    jobs = _jobs(names, parts, executor)
    return dg.Definitions(
        assets=_assets(names, group_name, parts, upstream),
        jobs=list(jobs.values()),
        schedules=list(make_schedules(jobs, names, _crons(schedules)).values()),
        sensors=_sensors(names, jobs),
        resources={"deployment": resource, "mlflow_run": mlflow_run},
    )


def _assets(
    names: LoopNames, group_name: str, parts: Collection[str], upstream: Collection[str]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the assets of the chosen parts and the external assets, with the project's keys and group."""
    chosen = assets_of(parts)
    if "reference_data" in chosen and upstream:
        chosen["reference_data"] = make_reference_data([dg.AssetKey(key.split("/")) for key in upstream])
    if "retention" in chosen:
        chosen["retention"] = make_retention([names.name(job) for part in PARTS.values() for job in part.jobs])
    plain = [*chosen, *(spec.key.path[-1] for spec in external_assets)]
    keys = {dg.AssetKey(name): names.key(name) for name in plain}

    def adapted(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(group_name=group_name) if group_name else spec

    external = [adapted(spec.replace_attributes(key=keys[spec.key])) for spec in external_assets]
    assets = [renamed(asset, names.op(name), keys) if names.key_prefix else asset for name, asset in chosen.items()]
    return [*external, *(asset.map_asset_specs(adapted) for asset in assets)]


def _jobs(names: LoopNames, parts: Collection[str], executor: dg.ExecutorDefinition) -> dict[str, Any]:
    """Return the jobs of the chosen parts, indexed by their plain names.

    Only these jobs use PMMDS's executor.
    """
    wanted = {job for part in parts for job in PARTS[part].jobs}
    assets = {asset for part in parts for asset in PARTS[part].assets}
    jobs = {name: job for name, job in make_jobs(names, executor, assets).items() if name in wanted}
    return jobs | ({"rollback_job": make_rollback_job(names, executor)} if "rollback" in parts else {})


def _sensors(names: LoopNames, jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    sensors = list(make_sensors(jobs, names).values())
    if rollback := jobs.get("rollback_job"):
        sensors.append(make_automatic_rollback_sensor(rollback, names))
    return sensors


_SCHEDULED = {"monitoring": "monitor", "performance": "performance", "archive": "archive"}


def _crons(schedules: Schedules) -> dict[str, str]:
    """Return the cron expressions, indexed by plain job names without `_job`. An empty expression means no schedule."""
    defaults = {plan.job.removesuffix("_job"): plan.cron for plan in SCHEDULE_PLANS}
    if isinstance(schedules, bool):
        return defaults if schedules else dict.fromkeys(defaults, "")
    for part in schedules:
        if part not in _SCHEDULED:
            raise SettingError(
                f"schedules has no part {part!r}.", next_step=f"The scheduled parts are {', '.join(_SCHEDULED)}."
            )
    chosen = {_SCHEDULED[part]: given for part, given in schedules.items()}
    return {job: _cron(chosen.get(job, True), default) for job, default in defaults.items()}


def _cron(given: bool | str, default: str) -> str:
    if isinstance(given, bool):
        return default if given else ""
    return "" if given == "off" else default if given == "on" else given


def _variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the PMMDS_* variables for settings that are indexed by name. Raises SettingError for an unknown name."""
    types = setting_types()
    for name in settings:
        if name not in types and name != "config":
            near = nearest(name, types)
            raise SettingError(
                f"PMMDS has no setting {name!r}.",
                next_step=f"Did you mean {near}?" if near else "docs/settings.md lists all settings.",
            )
    return {variable_name(name): str(native(value, types.get(name, str))) for name, value in settings.items()}
