"""The compose file, as far as it can be checked without an engine: it fits the Dockerfile, the settings and nginx."""

import ipaddress
import re
from pathlib import PurePosixPath
from typing import Any

import pytest

from storage_app.server.configuration import FIXED
from storage_app.settings import SETTINGS, load_settings
from tests.support.compose import MissingVariable, document, services
from tests.support.nginx import DEPLOY
from tests.support.service import ROOT

REQUIRED = {"SECRET_KEY": "s" * 32, "OFFLOAD_SECRET": "o" * 32}
NGINX_CONF = (DEPLOY / "nginx.conf").read_text()
TEMPLATE = (DEPLOY / "storage.conf.template").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture
def storage() -> dict[str, Any]:
    return dict(services(REQUIRED)["storage"])


@pytest.fixture
def nginx() -> dict[str, Any]:
    return dict(services(REQUIRED)["nginx"])


def instruction(name: str) -> str:
    found = re.search(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)
    assert found
    return found[1]


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What is mounted where."""
    return {target: source for source, target in (volume.split(":")[:2] for volume in service["volumes"])}


def paths(directive: str) -> list[str]:
    """The path that nginx is given by each directive of that name."""
    return re.findall(rf"^\s*{directive} (/[^;$]*[^;$/])/?[;$]", NGINX_CONF, re.MULTILINE)


@pytest.mark.parametrize("name", REQUIRED)
def test_secrets_must_be_given(name: str) -> None:
    with pytest.raises(MissingVariable, match=name):
        services({**REQUIRED, name: ""})


def test_environment_is_settings_that_are_right(storage: dict[str, Any]) -> None:
    known = {setting.name for setting in SETTINGS}
    assert set(storage["environment"]) <= known
    settings = load_settings(storage["environment"])
    assert (settings.secret_key, settings.offload_secret) == (REQUIRED["SECRET_KEY"], REQUIRED["OFFLOAD_SECRET"])
    assert (settings.download_offload, settings.trusted_proxies) == ("nginx", 1)


def test_links_lead_to_what_is_published(storage: dict[str, Any], nginx: dict[str, Any]) -> None:
    settings = load_settings(storage["environment"])
    outside, inside = nginx["ports"][0].split(":")
    assert settings.base_url == settings.public_url == f"http://localhost:{outside}"
    assert f"listen {inside};" in NGINX_CONF
    assert "ports" not in storage


def test_both_are_the_same_ordinary_user(storage: dict[str, Any], nginx: dict[str, Any]) -> None:
    assert storage["user"] == nginx["user"] == instruction("USER")
    assert not re.search(r"^user ", NGINX_CONF, re.MULTILINE)


def test_both_see_the_store_at_the_same_place(storage: dict[str, Any], nginx: dict[str, Any]) -> None:
    store = instruction("VOLUME")
    assert mounts(storage)[store] == mounts(nginx)[store] == "store"
    assert "store" in document(REQUIRED)["volumes"]
    assert str(load_settings({**storage["environment"], "STORAGE_PATH": ""}).storage_path) == store
    assert set(paths("alias")) == {store}
    assert f"{store}/.system/spool" in paths("client_body_temp_path")


def test_nginx_is_given_all_that_its_files_ask_for(nginx: dict[str, Any]) -> None:
    assert set(re.findall(r"\$\{(\w+)\}", TEMPLATE)) <= set(nginx["environment"])
    for inside, outside in mounts(nginx).items():
        assert outside == "store" or (DEPLOY / outside).is_file(), inside
    # What an include names lies beside the file that nginx is started with.
    configuration = PurePosixPath(nginx["command"][nginx["command"].index("-c") + 1])
    assert str(configuration) in mounts(nginx)
    assert str(configuration.parent) == nginx["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"]
    assert "storage.conf" in re.findall(r"include ([^;]+);", NGINX_CONF)


def test_nginx_writes_only_where_it_may(nginx: dict[str, Any]) -> None:
    in_memory = [mount.partition(":")[0] for mount in nginx["tmpfs"]]
    writable = (*in_memory, *(target for target, source in mounts(nginx).items() if source == "store"))
    written = [path for name in ("pid", r"\w+_temp_path") for path in paths(name)]
    assert nginx["read_only"]
    assert len(written) == 7
    assert all(path.startswith(tuple(f"{directory}/" for directory in writable)) for path in written)
    assert nginx["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"] in in_memory


def test_memory_for_the_files_of_nginx_has_a_bound(nginx: dict[str, Any]) -> None:
    (size,) = re.findall(r"^/tmp:size=(\d+)m$", "\n".join(nginx["tmpfs"]), re.MULTILINE)
    (cached,) = re.findall(r"max_size=(\d+)m", NGINX_CONF)
    assert int(size) > int(cached)


def test_service_is_where_nginx_looks_for_it(storage: dict[str, Any], nginx: dict[str, Any]) -> None:
    address, port = nginx["environment"]["STORAGE_ADDRESS"].split(":")
    assert storage["networks"]["storage"]["ipv4_address"] == address
    assert storage["expose"] == [port] == [instruction("EXPOSE")]
    network = document(REQUIRED)["networks"]["storage"]["ipam"]["config"][0]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(network["subnet"])
    assert ipaddress.ip_address(address) not in ipaddress.ip_network(network["ip_range"])
    assert "storage" in nginx["networks"]


def test_nginx_starts_when_the_store_is_there(nginx: dict[str, Any]) -> None:
    assert nginx["depends_on"]["storage"]["condition"] == "service_healthy"
    assert "HEALTHCHECK" in DOCKERFILE


@pytest.mark.parametrize("name", ["storage", "nginx"])
def test_stop_leaves_time_for_transfers(name: str) -> None:
    assert int(services(REQUIRED)[name]["stop_grace_period"].removesuffix("s")) > FIXED["graceful_timeout"]
