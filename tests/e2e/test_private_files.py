"""Whatever the umask, nobody but the service's user may read what a service, a command and a stop leave on the disk."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.environment import clean_environment
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.service import ROOT, RunningService, bearer

OPEN_TO_ALL = ("sh", "-c", 'umask 000; exec "$@"', "sh")


class OpenService(RunningService):
    prefix = OPEN_TO_ALL


def readable_by_others(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in _everything(root) if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def _everything(root: Path) -> Iterator[Path]:
    yield root
    yield from root.rglob("*")


def test_service_keeps_its_files_to_itself(tmp_path: Path) -> None:
    with (
        OpenService(tmp_path / "store", **OFFLOAD) as service,
        NginxGateway(service, tmp_path / "nginx") as gateway,
        httpx.Client(base_url=gateway.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        client.post("/buckets", json={"name": "deleted"}).raise_for_status()
        client.put("/files/upload-direct/photos/spooled", content=bytes(200_000)).raise_for_status()
        client.put("/files/upload-direct/photos/small", content=b"abc").raise_for_status()
        client.post("/files/upload/photos", files={"file": ("form", b"abc")}).raise_for_status()
        client.delete("/files/photos/small").raise_for_status()
        client.delete("/buckets/deleted").raise_for_status()
        assert readable_by_others(service.storage_path) == []
    assert readable_by_others(service.storage_path) == []


@pytest.mark.parametrize("command", ["recover", "rebuild", "check"])
def test_command_keeps_its_files_to_itself(tmp_path: Path, command: str) -> None:
    store = tmp_path / "store"
    environment = {"SECRET_KEY": "k" * 32, "STORAGE_PATH": str(store)}
    flask = (sys.executable, "-m", "flask", "--app", "wsgi", "storage", command)
    subprocess.run([*OPEN_TO_ALL, *flask], cwd=ROOT, env=clean_environment(environment), check=True)
    assert (store / ".system" / "index.sqlite3").exists()
    assert readable_by_others(store) == []
