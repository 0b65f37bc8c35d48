"""The page of Dagster's assets, checks, jobs, schedules and sensors."""

from __future__ import annotations

import dagster as dg

from pmmds_assets.definitions import defs
from pmmds_tests.harness.docs_site.reference.markdown import code, page, table


def assets_page() -> str:
    repository = defs.get_repository_def()
    return page(
        "Dagster assets",
        "Dagster's definitions in `pmmds_assets`",
        "## Assets\n\n" + assets_table(defs),
        "## Asset checks\n\n" + checks_table(repository),
        "## Jobs\n\n" + table(("job", "description"), jobs(repository)),
        "## Schedules\n\n"
        + table(
            ("schedule", "job", "cron"),
            ((code(s.name), code(s.job_name), code(s.cron_schedule)) for s in repository.schedule_defs),
        ),
        "## Sensors\n\n"
        + table(("sensor", "description"), ((code(s.name), s.description or "") for s in repository.sensor_defs)),
    )


def assets_table(definitions: dg.Definitions) -> str:
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda s: (s.group_name or "", s.key.to_user_string()))
    rows = [
        (
            code(s.key.to_user_string()),
            s.group_name or "",
            ", ".join(sorted(code(d.asset_key.to_user_string()) for d in s.deps)),
            s.description or "",
        )
        for s in specs
    ]
    return table(("asset", "group", "upstream", "description"), rows)


def checks_table(repository: dg.RepositoryDefinition) -> str:
    graph = repository.asset_graph
    keys = sorted(graph.asset_check_keys, key=lambda k: (k.asset_key.to_user_string(), k.name))
    rows = [(code(k.asset_key.to_user_string()), code(k.name), graph.get_check_spec(k).description or "") for k in keys]
    return table(("asset", "check", "description"), rows)


def jobs(repository: dg.RepositoryDefinition) -> list[tuple[str, str]]:
    found = sorted(repository.get_all_jobs(), key=lambda j: j.name)
    return [(code(j.name), j.description or "") for j in found if not j.name.startswith("__")]
