"""What `deploy/` holds is what Ray, Kubernetes and Compose read, and none of it is open to the world.

Ray's own loader judges the file of `ray up`, Kubernetes' schemas the built-in kinds and the pods inside KubeRay's.
KubeRay's own fields are compared with the names in its Go types (1.5). No image is built here: there is no engine.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config
from typer.testing import CliRunner

from cluster.cli import app

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERAY = [yaml.safe_load(path.read_text()) for path in sorted((DEPLOY / "kuberay").glob("*.yaml"))]
POD_LABEL = {"app.kubernetes.io/part-of": "studbook"}

CLUSTER_FIELDS = {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec"}
CLUSTER_FIELDS |= {"workerGroupSpecs", "suspend", "managedBy", "headServiceAnnotations", "gcsFaultToleranceOptions"}
AUTOSCALER_FIELDS = {"version", "upscalingMode", "idleTimeoutSeconds", "resources", "image", "env", "envFrom"}
HEAD_FIELDS = {"template", "headService", "enableIngress", "rayStartParams", "serviceType"}
WORKER_FIELDS = {"groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "rayStartParams"}
WORKER_FIELDS |= {"template", "numOfHosts", "suspend"}
JOB_FIELDS = {"entrypoint", "submissionMode", "backoffLimit", "submitterConfig", "shutdownAfterJobFinishes"}
JOB_FIELDS |= {"ttlSecondsAfterFinished", "rayClusterSpec", "activeDeadlineSeconds", "runtimeEnvYAML", "jobId"}


def clusters() -> Iterator[dict[str, Any]]:
    """The cluster specs of the manifests."""
    for manifest in KUBERAY:
        if manifest["kind"] in ("RayCluster", "RayJob"):
            yield manifest["spec"].get("rayClusterSpec", manifest["spec"])


def pods() -> Iterator[dict[str, Any]]:
    """Their pod templates, the head's first."""
    for spec in clusters():
        yield spec["headGroupSpec"]["template"]
        yield from (group["template"] for group in spec["workerGroupSpecs"])


# ray up


def test_ray_reads_the_file_of_ray_up() -> None:
    config = prepare_config(yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text()))
    validate_config(config)
    worker = config["available_node_types"]["worker"]
    assert (worker["min_workers"], worker["max_workers"], config["max_workers"]) == (0, 8, 8)
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert "--dashboard-host=127.0.0.1" in " ".join(config["head_start_ray_commands"])
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert config["file_mounts"]["/home/studbook/.ray/auth_token"].endswith(".ray/auth_token")


def test_runs_of_ray_up_lie_on_a_disk_that_outlives_the_head() -> None:
    config = prepare_config(yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text()))
    (option,) = config["docker"]["head_run_options"]
    outside, inside = option.removeprefix("--volume ").split(":")
    assert f"STUDBOOK_RUNS={inside}\n" in (DEPLOY / "Dockerfile").read_text()
    assert config["initialization_commands"] == [f"sudo install --directory --owner=1000 --group=1000 {outside}"]
    (disk,) = config["available_node_types"]["head"]["node_config"]["BlockDeviceMappings"]
    assert disk["Ebs"]["DeleteOnTermination"] is False


# Kubernetes


@pytest.mark.parametrize("manifest", KUBERAY, ids=lambda manifest: manifest["kind"])
def test_kubernetes_reads_the_manifests(manifest: dict[str, Any]) -> None:
    if manifest["apiVersion"] == "ray.io/v1":
        assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    else:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("template", list(pods()))
def test_kubernetes_reads_the_pods_and_they_are_nobody(template: dict[str, Any]) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", **template["metadata"]}}
    kubernetes_validate.validate({**pod, "spec": template["spec"]}, kubernetes_validate.latest_version(), strict=True)
    assert template["metadata"]["labels"] == POD_LABEL
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    (container,) = template["spec"]["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
    assert mounted == {volume["name"] for volume in template["spec"].get("volumes", ())}


@pytest.mark.parametrize("spec", list(clusters()))
def test_kuberay_knows_the_fields_and_asks_for_a_token(spec: dict[str, Any]) -> None:
    assert set(spec) <= CLUSTER_FIELDS
    assert set(spec["autoscalerOptions"]) <= AUTOSCALER_FIELDS
    assert set(spec["headGroupSpec"]) <= HEAD_FIELDS
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"] is True
    assert (spec["headGroupSpec"]["serviceType"], spec["headGroupSpec"]["enableIngress"]) == ("ClusterIP", False)
    for group in spec["workerGroupSpecs"]:
        assert set(group) <= WORKER_FIELDS
        assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    for one in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in one["rayStartParams"].values())


def test_a_ray_job_that_failed_goes_on_where_it_was() -> None:
    (job,) = [manifest for manifest in KUBERAY if manifest["kind"] == "RayJob"]
    assert set(job["spec"]) <= JOB_FIELDS
    assert job["spec"]["backoffLimit"] > 0
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["studbook", "run"]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert words[words.index("--root") + 1] in {mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in head["volumes"][:1]}
    (storage,) = [manifest for manifest in KUBERAY if manifest["kind"] == "PersistentVolumeClaim"]
    assert claims == {storage["metadata"]["name"]}
    known = CliRunner().invoke(app, ["run", "--help"]).stdout
    for option in (word for word in words if word.startswith("--")):
        assert option in known


def test_the_network_policy_closes_every_pod() -> None:
    (policy,) = [manifest["spec"] for manifest in KUBERAY if manifest["kind"] == "NetworkPolicy"]
    assert policy["podSelector"] == {"matchLabels": POD_LABEL}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    inside, others = policy["ingress"]
    assert inside == {"from": [{"podSelector": {"matchLabels": POD_LABEL}}]}
    assert others["ports"] == [{"port": 8265, "protocol": "TCP"}]
    (job,) = [manifest for manifest in KUBERAY if manifest["kind"] == "RayJob"]
    submitter = others["from"][1]["podSelector"]["matchLabels"]
    assert submitter["ray.io/originated-from-cr-name"] == job["metadata"]["name"]


# Compose and the image


def test_compose_publishes_two_ports_on_loopback_alone() -> None:
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert published == {
        "head": ["127.0.0.1:8265:8265"], "worker": [], "mlflow": ["127.0.0.1:5000:5000"], "postgres": [],
    }  # fmt: skip
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("worker", "postgres"):
        assert COMPOSE["services"][name]["networks"] == ["inside"]


def test_compose_gives_the_credentials_of_the_bars_to_the_head_alone() -> None:
    holders = {name for name, service in COMPOSE["services"].items() if "AWS_ACCESS_KEY_ID" in service["environment"]}
    assert holders == {"head"}
    assert "RAY_AUTH_TOKEN" in COMPOSE["services"]["head"]["environment"]


def test_compose_holds_together() -> None:
    for service in COMPOSE["services"].values():
        for name, need in service.get("depends_on", {}).items():
            assert need == {"condition": "service_healthy"}
            assert "healthcheck" in COMPOSE["services"][name]
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert "privileged" not in service


def test_compose_holds_no_secret_and_will_not_start_without_one() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for name in ("RAY_AUTH_TOKEN", "POSTGRES_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", text)
        assert uses
        assert all(use.startswith(":?must be set") for use in uses), uses
    for name in ("head", "worker"):
        assert COMPOSE["services"][name]["environment"]["RAY_AUTH_MODE"] == "token"


def test_the_image_is_what_the_manifests_run() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    used = {template["spec"]["containers"][0]["image"] for template in pods()}
    used |= {service["image"] for name, service in COMPOSE["services"].items() if name != "postgres"}
    used |= {yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())["docker"]["image"]}
    assert used == {f"studbook:{version}"}
    text = (DEPLOY / "Dockerfile").read_text()
    assert "\nUSER 1000:1000\n" in text
    assert "RAY_AUTH_MODE=token" in text
    copied = {source for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for source in line.split()}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in copied} == {line for line in kept if line.startswith("!")}


def test_the_ray_of_the_manifests_is_the_ray_of_the_pins() -> None:
    pinned = pins(ROOT / "requirements.txt")
    assert {spec["rayVersion"] for spec in clusters()} == {pinned["ray"]}
    extra = pins(DEPLOY / "requirements.txt")
    assert {"s3fs", "psycopg2-binary", "boto3"} <= set(extra)
    assert {name: extra[name] for name in extra if name in pinned} == {
        name: pinned[name] for name in extra if name in pinned
    }


def pins(path: Path) -> dict[str, str]:
    """Package -> version of a file of pins."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    found = [Requirement(line) for line in lines if line]
    return {one.name.lower(): str(one.specifier).removeprefix("==") for one in found}


def test_nothing_names_a_registry_or_this_machine() -> None:
    for path in (path for path in DEPLOY.rglob("*") if path.is_file()):
        text = path.read_text()
        assert not re.search(r"--index-url|(image:|FROM)\s+[\w-]+\.[\w.-]+/", text), path
        for host in re.findall(r"https?://([^/:\s\"]+)", text):
            assert host in ("127.0.0.1", "mlflow"), (path, host)
