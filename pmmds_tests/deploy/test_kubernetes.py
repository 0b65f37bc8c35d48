"""The manifests match Kubernetes' schema, are complete, and agree with settings, ports and paths."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pmmds_cli.application import app
from pmmds_core.config.listing import describe
from pmmds_core.config.settings import Settings
from pmmds_core.stores.database.grants import ROLES
from pmmds_tests.deploy.manifests import (
    BASE,
    EXAMPLE_SECRETS,
    OVERLAY,
    VERSIONS,
    Resource,
    base,
    containers,
    of_kind,
    pod_templates,
    resources,
    variables_in,
)

BY_NAME = {f"{r['kind']}/{r['metadata']['name']}": r for r in base()}


def valid(resource: Resource, version: str) -> None:
    """Raise kubernetes_validate.ValidationError if the resource is invalid or has unknown fields."""
    schema = pytest.importorskip("kubernetes_validate", reason="`make test-scale` installs kubernetes-validate")
    schema.validate(resource, version, strict=True)


@pytest.mark.scale
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BY_NAME)
def test_every_resource_is_valid(name: str, version: str) -> None:
    valid(BY_NAME[name], version)


@pytest.mark.scale
def test_schema_rejects_misspelled_fields_and_wrong_types() -> None:
    schema = pytest.importorskip("kubernetes_validate", reason="`make test-scale` installs kubernetes-validate")
    good = BY_NAME["StatefulSet/pmmds-serving"]
    for path, name, value in (
        (["spec", "template", "spec", "containers", 0, "readinessProbe"], "periodSecond", 2),
        (["spec", "template", "spec", "containers", 0, "securityContext"], "readOnlyRootFilesystem", "yes"),
        (["spec", "template", "spec"], "terminationGracePeriodSeconds", "60s"),
    ):
        bad = copy.deepcopy(good)
        inner: Any = bad
        for step in path:
            inner = inner[step]
        inner[name] = value
        with pytest.raises(schema.ValidationError):
            valid(bad, VERSIONS[-1])


@pytest.mark.scale
@pytest.mark.parametrize("version", VERSIONS)
def test_example_secrets_are_valid(version: str) -> None:
    for secret in resources(EXAMPLE_SECRETS):
        valid(secret, version)


def test_the_kustomization_lists_every_file() -> None:
    listed = set(resources(BASE / "kustomization.yaml")[0]["resources"])
    assert listed == {p.name for p in BASE.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.scale
def test_kustomize_builds_valid_resources_from_the_overlay() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", str(OVERLAY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = [r for r in yaml.safe_load_all(done.stdout) if r]
    assert len(made) == len(base())
    for resource in made:
        valid(resource, VERSIONS[-1])
    images = {
        c["image"] for r in made for c in r.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    }
    assert images == {"registry.example.com/pmmds-serving:0.1.0", "registry.example.com/pmmds-assets:0.1.0"}
    autoscaler = next(r for r in made if r["kind"] == "HorizontalPodAutoscaler")
    assert autoscaler["spec"]["minReplicas"] == 3


@pytest.mark.parametrize("name", pod_templates())
def test_every_pod_has_minimum_privileges(name: str) -> None:
    spec = pod_templates()[name]["spec"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10001, 10001, 10001)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_only_run_launchers_can_access_the_kubernetes_api() -> None:
    mounted = {n for n, t in pod_templates().items() if t["spec"]["automountServiceAccountToken"]}
    assert mounted == {"pmmds-dagster-webserver", "pmmds-dagster-daemon"}
    assert {pod_templates()[n]["spec"]["serviceAccountName"] for n in mounted} == {"pmmds-dagster"}


def test_every_server_has_probes() -> None:
    for name, container in containers():
        if name != "pmmds-migrate":
            assert {"startupProbe", "livenessProbe"} <= set(container), name
        if "ports" in container:
            assert "readinessProbe" in container, name
    serving = dict(containers())["pmmds-serving"]
    assert serving["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert serving["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_replica_has_time_to_finish_requests_and_empty_the_spool() -> None:
    from pmmds_serving.shipping.process import STOP_SECONDS
    from pmmds_serving.worker import WATCHER_STOP_SECONDS

    spec = pod_templates()["pmmds-serving"]["spec"]
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    in_turn = pause + Settings().http_request_seconds + WATCHER_STOP_SECONDS + STOP_SECONDS + 1
    assert spec["terminationGracePeriodSeconds"] > in_turn


def test_each_replica_has_a_volume_larger_than_its_spool() -> None:
    serving = of_kind("StatefulSet")["pmmds-serving"]["spec"]
    claim = serving["volumeClaimTemplates"][0]
    mounts = {m["name"]: m["mountPath"] for m in serving["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == settings()["PMMDS_HOME"]
    assert set(serving["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    gibibytes = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    variables = {e["name"]: e["value"] for e in serving["template"]["spec"]["containers"][0]["env"]}
    workers = int(variables["PMMDS_SERVING_WORKERS"])
    assert workers * int(settings()["PMMDS_SPOOL_MAX_BYTES"]) < gibibytes * 2**30 * 0.8


def settings() -> dict[str, str]:
    return dict(of_kind("ConfigMap")["pmmds-settings"]["data"])


def test_every_pmmds_variable_is_a_setting_and_parses() -> None:
    from pmmds_core.config.settings import load_settings

    named = {v for r in [*base(), *resources(EXAMPLE_SECRETS)] for v in variables_in(r) if v.startswith("PMMDS_")}
    assert named <= {row.variable for row in describe({})}
    assert len(named) > 8
    environment = {e["name"]: e["value"] for _, c in containers() for e in c.get("env", [])}
    load_settings({**settings(), **environment})


def test_example_describes_every_secret_and_base_contains_none() -> None:
    described = {s["metadata"]["name"] for s in resources(EXAMPLE_SECRETS)}
    used = {e["secretRef"]["name"] for _, c in containers() for e in c["envFrom"] if "secretRef" in e}
    assert used == described
    assert of_kind("Secret") == {}


def test_services_and_policies_match_pods_and_ports() -> None:
    labels = {name: t["metadata"]["labels"] for name, t in pod_templates().items()}
    for name, service in of_kind("Service").items():
        found = [n for n, own in labels.items() if service["spec"]["selector"].items() <= own.items()]
        assert len(found) == 1, name
        offered = {p["name"]: p["containerPort"] for p in pod_templates()[found[0]]["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert offered[port["targetPort"]] == port["port"], name
    for name, policy in of_kind("NetworkPolicy").items():
        chosen = policy["spec"]["podSelector"].get("matchLabels", {})
        assert any(chosen.items() <= own.items() for own in labels.values()), name


def test_ports_match_the_settings() -> None:
    by_default = Settings()
    ports = {n: {p["name"]: p["containerPort"] for p in c.get("ports", [])} for n, c in containers()}
    assert ports["pmmds-serving"] == {"http": by_default.http_port, "grpc": by_default.grpc_port}
    assert ports["pmmds-dagster-webserver"] == {"http": by_default.dagster_port}
    assert ports["pmmds-console"] == {"http": by_default.console_port}
    assert ports["pmmds-mlflow"] == {"http": by_default.mlflow_port}
    assert settings()["PMMDS_MLFLOW_TRACKING_URI"] == f"http://pmmds-mlflow:{by_default.mlflow_port}"


def test_every_referenced_claim_configmap_and_account_exists() -> None:
    for name, template in pod_templates().items():
        spec = template["spec"]
        assert spec.get("serviceAccountName", "pmmds-runs") in of_kind("ServiceAccount"), name
        for volume in spec["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in of_kind("PersistentVolumeClaim"), name
            if "configMap" in volume and not volume["configMap"].get("optional"):
                assert volume["configMap"]["name"] in of_kind("ConfigMap"), name


def test_all_clients_use_the_configured_postgres_ca() -> None:
    folder, _, file = settings()["PGSSLROOTCERT"].rpartition("/")
    assert file == "ca.pem"
    asking = {n: t for n, t in pod_templates().items() if t["metadata"]["labels"].get("pmmds.io/database") == "yes"}
    assert len(asking) == 7
    for name, template in asking.items():
        maps = {v["name"]: v["configMap"] for v in template["spec"]["volumes"] if "configMap" in v}
        mounts = {m["mountPath"]: m["name"] for m in template["spec"]["containers"][0]["volumeMounts"]}
        assert maps[mounts[folder]] == {"name": "pmmds-postgresql-ca", "optional": True}, name
    urls = [
        value for s in resources(EXAMPLE_SECRETS) for value in s["stringData"].values() if value.startswith("postgres")
    ]
    assert len(urls) == 6
    assert all(url.endswith("?sslmode=verify-full") for url in urls)


def test_example_logins_are_not_named_like_roles() -> None:
    """Roles created by `pmmds db roles --apply` cannot log in."""
    values = [v for s in resources(EXAMPLE_SECRETS) for v in s["stringData"].values()]
    logins = {v.partition("://")[2].partition(":")[0] for v in values if v.startswith("postgres")}
    assert logins == {"pmmds_serving", "pmmds_assets", "pmmds_console_login", "pmmds", "dagster", "mlflow"}
    assert logins.isdisjoint(ROLES)


def test_arguments_without_a_command_are_pmmds_commands() -> None:
    """The entrypoint of both images is `pmmds`, so arguments without a command are passed to it."""
    known = set(typer.main.get_group(app).commands)
    for name, container in containers():
        if "command" not in container:
            assert container["args"][0] in known, name
    instance = yaml.safe_load(of_kind("ConfigMap")["pmmds-dagster-instance"]["data"]["dagster.yaml"])
    run = instance["run_launcher"]["config"]["run_k8s_config"]["container_config"]
    assert run["command"] == ["/usr/bin/env"], "the launcher's arguments begin with `dagster`"


def test_dagster_can_read_the_service_counters() -> None:
    service = of_kind("Service")[settings()["PMMDS_HTTP_HOST"]]
    assert {"http": 8000}.items() <= {p["name"]: p["port"] for p in service["spec"]["ports"]}.items()
    policies = of_kind("NetworkPolicy")
    (into,) = [r for r in policies["pmmds-serving"]["spec"]["ingress"] if "podSelector" in r["from"][0]]
    allowed = into["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert {"pmmds-dagster-daemon", "pmmds-dagster-code", "pmmds-run", "pmmds-console"} == set(allowed)
    out = [r for r in policies["pmmds-dagster"]["spec"]["egress"] if "to" in r]
    assert {"app.kubernetes.io/name": "pmmds-serving"} in [r["to"][0]["podSelector"]["matchLabels"] for r in out]


def test_images_users_ports_and_paths_match_the_dockerfiles() -> None:
    folder = Path(__file__).parent.parent.parent / "deploy" / "docker"
    for image in ("serving", "assets"):
        text = (folder / f"{image}.Dockerfile").read_text(encoding="utf-8")
        assert "USER 10001:10001" in text
        assert f"PMMDS_HOME={settings()['PMMDS_HOME']}" in text
        ours = [c for _, c in containers() if c["image"] == f"pmmds-{image}"]
        exposed = {int(p) for line in text.splitlines() if line.startswith("EXPOSE") for p in line.split()[1:]}
        assert {p["containerPort"] for c in ours for p in c.get("ports", [])} <= exposed
