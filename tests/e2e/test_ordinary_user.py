"""The shipped nginx.conf and the compose file's settings, with nginx and the service as one ordinary user."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.compose import services
from tests.support.nginx import NginxGateway
from tests.support.service import SECRET_KEY, RunningService, bearer

USER = 10001 if os.geteuid() == 0 else None
WHO = os.geteuid() if USER is None else USER
CONTENT = b"picture" * 100_000


class OrdinaryService(RunningService):
    # The Python that runs the tests, and the tests, may lie where only root looks: it may read them, but nothing else
    # that others may not.
    prefix = (
        (
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
        )
        if USER
        else ()
    )  # fmt: skip


class OrdinaryGateway(NginxGateway):
    user = USER


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of theirs; pytest's own are closed to other users."""
    path = Path(tempfile.mkdtemp())
    os.chown(path, WHO, -1)
    yield path
    shutil.rmtree(path)


def user_of(pid: int) -> int:
    """Return who a process acts as."""
    found = re.search(r"^Uid:\t\d+\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_files_go_in_and_out(directory: Path) -> None:
    environment = services({"SECRET_KEY": SECRET_KEY, "OFFLOAD_SECRET": "o" * 32})["storage"]["environment"]
    for name in ("BASE_URL", "STORAGE_SERVICE_PUBLIC_URL"):
        del environment[name]
    with (
        OrdinaryService(directory / "store", **environment) as service,
        OrdinaryGateway(service, directory / "nginx") as gateway,
        httpx.Client(base_url=gateway.url, headers=bearer()) as client,
    ):
        assert service.process
        assert gateway.process
        assert {user_of(pid) for pid in (gateway.process.pid, *service.worker_pids())} == {WHO}
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        client.put("/files/upload-direct/photos/raw", content=CONTENT).raise_for_status()
        client.post("/files/upload/photos", files={"file": ("form", CONTENT)}).raise_for_status()
        for key in ("raw", "form"):
            assert client.get(f"/files/download/photos/{key}").content == CONTENT

    assert gateway.carried() == 2
    assert {path.stat().st_uid for path in service.storage_path.rglob("*")} == {WHO}
