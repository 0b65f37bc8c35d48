"""Dagster can open the instance in the manifests, and its launcher creates a valid Job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pmmds_assets.definitions import defs
from pmmds_tests.deploy.manifests import (
    BASE,
    EXAMPLE_SECRETS,
    ROOT,
    VERSIONS,
    ApiServer,
    api_server,
    of_kind,
    pod_templates,
    resources,
)

pytestmark = pytest.mark.scale

# Keys that the Kubernetes instance adds to the project's dagster.yaml.
ADDED = {"storage", "local_artifact_storage", "compute_logs", "run_launcher"}


def instance_map() -> dict[str, str]:
    return dict(of_kind("ConfigMap")["pmmds-dagster-instance"]["data"])


def test_instance_equals_the_project_file_except_storage_and_launcher() -> None:
    own: dict[str, Any] = yaml.safe_load(instance_map()["dagster.yaml"])
    assert {k: v for k, v in own.items() if k not in ADDED} == yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert set(own) >= ADDED


@pytest.mark.postgres
def test_launcher_creates_a_valid_job_on_postgresql(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = pytest.importorskip("kubernetes_validate", reason="`make test-scale` installs kubernetes-validate")
    with opened(postgres_url, tmp_path, monkeypatch) as (instance, kubernetes):
        launch(instance)
    [(method, path, job)] = kubernetes.asked
    assert (method, path) == ("POST", "/apis/batch/v1/namespaces/pmmds/jobs")
    for version in VERSIONS:
        schema.validate(job, version, strict=True)
    assert_matches_the_other_pods(job)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "wanted",
    [
        {"container_config": {"image": "evil.example/image"}},
        {"container_config": {"command": ["sh", "-c", "id"]}},
        {"container_config": {"env": [{"name": "PMMDS_HOME", "value": "/elsewhere"}]}},
        {"container_config": {"envFrom": [{"secretRef": {"name": "pmmds-migrator-secrets"}}]}},
        {"pod_spec_config": {"serviceAccountName": "pmmds-dagster", "automountServiceAccountToken": True}},
        {"pod_spec_config": {"hostNetwork": True}},
        {"pod_template_spec_metadata": {"labels": {"pmmds.io/proxy": "yes"}}},
        {"job_metadata": {"namespace": "kube-system"}},
    ],
    ids=lambda wanted: "-".join([*wanted, *next(iter(wanted.values()))]),
)
def test_run_tags_cannot_configure_the_pod(
    wanted: dict[str, Any], postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        opened(postgres_url, tmp_path, monkeypatch) as (instance, kubernetes),
        pytest.raises(Exception, match="violated the allow"),
    ):
        launch(instance, {"dagster-k8s/config": json.dumps(wanted)})
    assert kubernetes.asked == []


@contextmanager
def opened(
    postgres_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[dg.DagsterInstance, ApiServer]]:
    """Open the instance file with the addresses of a test PostgreSQL and a recording API server."""
    example = next(x for s in resources(EXAMPLE_SECRETS) if (x := s["stringData"].get("DAGSTER_DATABASE_URL")))
    driver = example.partition("://")[0]
    monkeypatch.setenv("DAGSTER_DATABASE_URL", postgres_url.replace("postgresql://", f"{driver}://"))
    with api_server() as kubernetes:
        document = yaml.safe_load(instance_map()["dagster.yaml"])
        launcher = document["run_launcher"]["config"]
        launcher |= {"load_incluster_config": False, "kubeconfig_file": str(kubernetes.kubeconfig(folder))}
        for place in ("local_artifact_storage", "compute_logs"):
            document[place]["config"]["base_dir"] = str(folder)
        (folder / "dagster.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance, kubernetes


def launch(instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> None:
    """Launch a run in the same way as the daemon, with code from the image."""
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.launcher import LaunchRunContext
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

    pointer = ModuleCodePointer("pmmds_assets.definitions", "defs", None)
    code = JobPythonOrigin("monitor_job", RepositoryPythonOrigin("python", pointer, entry_point=["dagster"]))
    run = instance.create_run_for_job(defs.resolve_job_def("monitor_job"), job_code_origin=code, tags=tags)
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))


def assert_matches_the_other_pods(job: dict[str, Any]) -> None:
    """Assert that a run's pod has the restrictions, image, volumes and network policies of the other pods."""
    template = job["spec"]["template"]
    spec, [container] = template["spec"], template["spec"]["containers"]
    code = pod_templates()["pmmds-dagster-code"]["spec"]
    assert spec["securityContext"] == code["securityContext"]
    assert container["securityContext"] == code["containers"][0]["securityContext"]
    assert spec["serviceAccountName"] in of_kind("ServiceAccount")
    tag = next(i["newTag"] for i in resources(BASE / "kustomization.yaml")[0]["images"] if i["name"] == "pmmds-assets")
    assert container["image"] == f"pmmds-assets:{tag}"
    assert [*container["command"], *container["args"][:3]] == ["/usr/bin/env", "dagster", "api", "execute_run"]
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    others = {m["name"]: m["mountPath"] for m in code["containers"][0]["volumeMounts"]}
    for name in ("home", "tmp", "postgresql-ca"):
        assert mounts[name] == others[name]
    assert {c["persistentVolumeClaim"]["claimName"] for c in spec["volumes"] if "persistentVolumeClaim" in c} == {
        "pmmds-home"
    }
    given = {next(iter(e.values()))["name"] for e in container["envFrom"]}
    assert given == {"pmmds-settings", "pmmds-assets-secrets", "pmmds-message-secrets"}
    labels = template["metadata"]["labels"]
    reached = {n for n, p in of_kind("NetworkPolicy").items() if selects(p["spec"]["podSelector"], labels)}
    assert {"pmmds-to-database", "pmmds-to-mlflow", "pmmds-dagster", "pmmds-dns"} <= reached


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Return True if a pod selector matches the labels. The policies use only the operator In."""
    named = selector.get("matchLabels", {}).items() <= labels.items()
    return named and all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))
