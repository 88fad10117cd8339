"""The manifests, as far as they can be checked without a cluster: they are valid, and fit the image and the service."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from storage_app.server.configuration import FIXED
from storage_app.settings import SETTINGS, load_settings
from storage_app.version import __version__
from tests.support.checkout import ROOT

PATH = ROOT / "deploy" / "kubernetes" / "storage.yaml"
PAGE = (ROOT / "deploy" / "README.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MANIFESTS: dict[str, Any] = {each["kind"]: each for each in yaml.safe_load_all(PATH.read_text())}
POD = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def instruction(name: str) -> str:
    found = re.search(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)
    assert found
    return found[1]


def versions() -> list[str]:
    """Return the oldest and the newest version that the page names."""
    found = re.search(r"Kubernetes (1\.\d+) to (1\.\d+)", PAGE)
    assert found
    return list(found.groups())


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("kind", MANIFESTS)
def test_manifest_is_valid(kind: str, version: str) -> None:
    assert kubernetes_validate.validate(MANIFESTS[kind], version, strict=True) == version


def test_schemas_refuse_what_they_do_not_know() -> None:
    """Or the test above would pass whatever there is."""
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(MANIFESTS["Service"] | {"sepc": {}}, versions()[-1], strict=True)


def test_environment_is_settings_that_are_right() -> None:
    given = {each["name"]: each.get("value", "k" * 32) for each in CONTAINER["env"]}
    assert given.keys() <= {setting.name for setting in SETTINGS}
    assert load_settings(given).web_concurrency == 2


def test_secret_is_the_one_that_the_page_makes() -> None:
    (secret,) = [each["valueFrom"]["secretKeyRef"] for each in CONTAINER["env"] if "valueFrom" in each]
    assert f"kubectl create secret generic {secret['name']} --from-literal={secret['key']}=" in PAGE


def test_image_is_of_this_version() -> None:
    assert CONTAINER["image"].endswith(f"/selfdb-storage:{__version__}")


def test_user_port_and_volume_are_those_of_the_image() -> None:
    user = POD["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == instruction("USER")
    assert user["fsGroup"] == user["runAsGroup"]
    assert str(CONTAINER["ports"][0]["containerPort"]) == instruction("EXPOSE")
    mounted = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert mounted["store"] == instruction("VOLUME")
    assert mounted.keys() == {volume["name"] for volume in POD["volumes"]}


def test_volume_and_pod_are_found_by_their_names() -> None:
    (claim,) = [each["persistentVolumeClaim"] for each in POD["volumes"] if "persistentVolumeClaim" in each]
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert claim["claimName"] == MANIFESTS["PersistentVolumeClaim"]["metadata"]["name"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    assert MANIFESTS["Service"]["spec"]["ports"][0]["targetPort"] == CONTAINER["ports"][0]["name"]


def test_one_pod_serves_at_a_time() -> None:
    spec = MANIFESTS["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_stop_leaves_time_for_transfers() -> None:
    assert POD["terminationGracePeriodSeconds"] > FIXED["graceful_timeout"]


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probe_asks_a_route_that_no_full_disk_fails(probe: str) -> None:
    assert CONTAINER[probe]["httpGet"] == {"path": "/health", "port": CONTAINER["ports"][0]["name"]}


def test_start_may_rebuild_for_an_hour() -> None:
    probe = CONTAINER["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 3600
