"""The dashboards have the right structure. Not here: running their queries (test_running_stack.py)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pmmds_tests.observability.deployed import GRAFANA, PROMETHEUS, ROOT, dashboards

KINDS = {"timeseries", "stat", "table"}


def datasource_uid() -> str:
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "pmmds.yml").read_text(encoding="utf-8"))
    (source,) = provisioned["datasources"]
    assert (provisioned["apiVersion"], source["type"], source["access"]) == (1, "prometheus", "proxy")
    return str(source["uid"])


def test_dashboards_have_unique_ids_and_titles() -> None:
    boards = dashboards().values()
    assert len(boards) == 3
    assert len({b["uid"] for b in boards}) == len({b["title"] for b in boards}) == len(boards)
    assert all(len(b["uid"]) <= 40 for b in boards), "Grafana limits uids to 40 characters"


@pytest.mark.parametrize("name", dashboards())
def test_dashboard_is_complete(name: str) -> None:
    board = dashboards()[name]
    assert board["schemaVersion"] >= 36
    assert board["editable"] is False
    assert {"from", "to"} == board["time"].keys()
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len({p["title"] for p in panels}) == len(panels)
    for panel in panels:
        check_panel(panel, datasource_uid())


def check_panel(panel: dict[str, Any], uid: str) -> None:
    assert panel["type"] in KINDS
    assert panel["datasource"] == {"type": "prometheus", "uid": uid}
    assert panel["fieldConfig"]["defaults"]["unit"]
    references = [t["refId"] for t in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["expr"].strip()
        assert target["legendFormat"]


@pytest.mark.parametrize("name", dashboards())
def test_panels_do_not_overlap_and_fit_the_grid(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboards()[name]["panels"]:
        g = panel["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert max(x for x, _ in cells) < 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


def test_provider_reads_the_mounted_dashboard_folder() -> None:
    provided = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "pmmds.yml").read_text(encoding="utf-8"))
    (provider,) = provided["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/etc/grafana/dashboards")


def test_compose_mounts_the_files_of_grafana_and_prometheus() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "pmmds.yml").read_text("utf-8"))[
        "providers"
    ]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    assert services["grafana"]["environment"]["PMMDS_PROMETHEUS_URL"] == "http://prometheus:9090"
    scraping = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    (config,) = scraping["scrape_configs"][0]["file_sd_configs"]
    mounted = dict(v.split(":")[:2] for v in services["prometheus"]["volumes"])
    assert (scraping["rule_files"], config["files"]) == (["rules/*.yml"], ["targets/*.yml"])
    assert mounted["../prometheus/rules"] == "/etc/prometheus/rules"
    assert mounted["./prometheus-targets"] == "/etc/prometheus/targets"
    for folder in ("prometheus-targets", "prometheus-targets-production"):
        (group,) = yaml.safe_load((ROOT / "deploy" / "compose" / folder / "serving.yml").read_text(encoding="utf-8"))
        assert "serving:8000" in group["targets"]
