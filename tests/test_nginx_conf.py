"""deploy/nginx.conf as a text: what it sends and says is complete, and agrees with the code."""

import inspect
import json
import re
import subprocess
from pathlib import Path

import pytest

from storage_app import errors
from storage_app.api.http import delivery
from storage_app.errors import StorageError, phrase
from tests.support.nginx import DEPLOY, NginxGateway, installed
from tests.support.recording_service import RecordingService
from tests.support.service import ROOT

CONFIGURATION = re.sub(r"(^|\s)#.*", "", (DEPLOY / "nginx.conf").read_text())
# The one for clients. The other one, behind it, serves nginx alone.
SERVER = CONFIGURATION[CONFIGURATION.index("server {") : CONFIGURATION.index("upstream decided {")]
ERRORS = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, StorageError)]


def locations() -> dict[str, str]:
    """Every location by its name, and what stands in it."""
    parts = re.split(r"^        location (.+) \{$", SERVER, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def headers_set(block: str) -> list[str]:
    return re.findall(r"proxy_set_header (\S+)", block)


OUTSIDE_LOCATIONS = SERVER[: SERVER.index("        location ")]
EVERY_HEADER = headers_set(OUTSIDE_LOCATIONS)
ASKING = [name for name, block in locations().items() if "proxy_pass http://storage" in block]


def test_every_header_that_the_service_believes_is_set() -> None:
    code = "".join(path.read_text() for path in (ROOT / "storage_app").rglob("*.py"))
    believed = set(re.findall(r'"(X-(?:Offload|Upload|Spool)-[\w-]+)"', code))
    assert "X-Offload-Secret" in believed
    assert believed | {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} <= set(EVERY_HEADER)


@pytest.mark.parametrize("name", ASKING)
def test_location_sets_every_header_or_none(name: str) -> None:
    own = headers_set(locations()[name])
    assert not own or [header for header in own if not header.startswith("Content-")] == EVERY_HEADER


def test_clients_reach_the_routes_only() -> None:
    open_to_all = [name for name, block in locations().items() if not name.startswith("@") and "internal;" not in block]
    assert [name[:8] for name in open_to_all] == ["~ ^/(?:$", "/"]


def test_every_header_that_the_service_renames_gets_its_name_back() -> None:
    (blobs,) = [block for name, block in locations().items() if "_blobs" in name]
    for name in delivery._KEPT_BY_NGINX:
        variable = f"$upstream_http_x_accelerated_{name.lower().replace('-', '_')}"
        assert f"add_header {name} {variable};" in blobs


@pytest.mark.parametrize("problem", re.findall(r"'(\"title\".+)';", CONFIGURATION))
def test_problem_is_one_of_the_service(problem: str) -> None:
    document = json.loads(f"{{{problem}}}")
    known = [(error.status, error.code) for error in ERRORS]
    # A request that is not valid HTTP has the status of the server's parser (storage_app/errors.py).
    known += [(status, "invalid_request") for status in (414, 431, 505)]
    assert (document["status"], document["code"]) in known
    assert document["detail"].endswith(".")


def test_nginx_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    with RecordingService(tmp_path / "store") as service, NginxGateway(service, tmp_path / "nginx") as gateway:
        command = [*gateway.command(installed()), "-t"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == ["ok", "successful"], done.stderr


def test_title_of_every_refusal_is_that_of_the_service() -> None:
    titles = re.findall(r'"title":"([^"]+)","status":(\d+)', CONFIGURATION)
    assert len(titles) >= 8
    assert [title for title, _ in titles] == [phrase(int(status)) for _, status in titles]
