"""The unit of systemd, as far as it can be checked without systemd: it is valid, and fits the service."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from storage_app.server.configuration import FIXED
from storage_app.settings import SETTINGS, load_settings
from tests.support.checkout import ROOT
from tests.support.service import START_SECONDS, STOP_SECONDS, RunningService, bearer

UNIT = ROOT / "deploy" / "systemd" / "selfdb-storage.service"
PAGE = (ROOT / "deploy" / "README.md").read_text()


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("this needs Debian's package systemd: apt-get install systemd")
    return program


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def only(name: str) -> str:
    (value,) = values(name)
    return value


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only("Environment").split())


def installed(folder: Path) -> Path:
    """Copy the unit, with programs that are there."""
    copy = folder / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    return copy


def test_systemd_finds_nothing_wrong(analyze: str, tmp_path: Path) -> None:
    done = subprocess.run([analyze, "verify", installed(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_exposure_is_the_one_that_is_documented(analyze: str, tmp_path: Path) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", str(installed(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rated = re.search(r"level for \S+: ([\d.]+)", done.stdout)
    documented = re.search(r"`systemd-analyze security` rates the unit at ([\d.]+)", PAGE)
    assert rated
    assert documented
    assert float(rated[1]) <= float(documented[1])


def test_environment_is_settings_that_are_right() -> None:
    assert set(environment()) - {setting.name for setting in SETTINGS} == {"PYTHON_DOTENV_DISABLED"}
    settings = load_settings(environment() | {"SECRET_KEY": "k" * 32})
    assert str(settings.storage_path) == f"/var/lib/{only('StateDirectory')}"


def test_stop_leaves_time_for_transfers_and_a_start_for_recovery() -> None:
    assert int(only("TimeoutStopSec")) > FIXED["graceful_timeout"]
    assert only("TimeoutStartSec") == "infinity"
    assert only("KillMode") == "mixed"


def test_page_installs_what_the_unit_starts_and_reads() -> None:
    program, command = only("ExecStart").split()
    venv = program.removesuffix("/bin/selfdb-storage")
    assert (Path(program).name, command) == ("selfdb-storage", "serve")
    assert f"python3 -m venv {venv}\n" in PAGE
    assert f"install -m 600 /dev/stdin {only('EnvironmentFile')} " in PAGE
    for name in ("DynamicUser", "User", "StateDirectory", "StateDirectoryMode", "UMask", "EnvironmentFile"):
        assert f" -p {name}={only(name)} " in PAGE.replace("\\\n", ""), name


def test_service_tells_systemd_when_it_listens(tmp_path: Path) -> None:
    assert only("Type") == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(START_SECONDS)
        with RunningService(tmp_path / "store", WEB_CONCURRENCY="1", NOTIFY_SOCKET=str(tmp_path / "notify")):
            assert b"READY=1" in systemd.recv(1000).splitlines()


class Traced(RunningService):
    """A service whose system calls strace counts, from its start to its end."""

    def __init__(self, storage_path: Path) -> None:
        super().__init__(storage_path, WEB_CONCURRENCY="1", DURABILITY="fsync")
        self.calls = storage_path.with_name("calls")
        self.prefix = ("strace", "-f", "-qq", "-c", "-U", "name", "-o", str(self.calls))

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """End the service: strace, which ends with it, takes no signal."""
        assert self.process
        (master,) = self.worker_pids()
        os.kill(master, sent)
        return self.process.wait(STOP_SECONDS)


def allowed(analyze: str) -> set[str]:
    """Return the system calls that the unit allows."""
    granted, refused = (members(analyze, value.lstrip("~")) for value in values("SystemCallFilter"))
    return granted - refused


def members(analyze: str, name: str) -> set[str]:
    listed = subprocess.run([analyze, "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True)
    calls = {line.strip() for line in listed.stdout.splitlines()[1:] if line.strip() and "#" not in line}
    groups = {call for call in calls if call.startswith("@")}
    return (calls - groups).union(*(members(analyze, group) for group in groups))


@pytest.mark.skipif(shutil.which("strace") is None, reason="this needs Debian's package strace")
def test_service_makes_no_system_call_that_the_unit_refuses(analyze: str, tmp_path: Path) -> None:
    service = Traced(tmp_path / "store")
    with service, httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        for size in (3, 1_000_000):
            client.put("/files/upload-direct/photos/k", content=b"x" * size).raise_for_status()
            assert len(client.get("/files/download/photos/k").content) == size
        client.post("/files/upload/photos", files={"file": ("form", b"x")}).raise_for_status()
        client.delete("/buckets/photos", params={"force": "true"}).raise_for_status()
    made = set(service.calls.read_text().split()[1:]) - {"name", "total"}
    # SQLite gives its files to the owner of the database if it runs as root, which the unit does not.
    assert {"openat", "sendfile", "fsync"} < made
    assert {call for call in made if re.fullmatch(r"\w+", call)} - allowed(analyze) <= {"fchown"}
