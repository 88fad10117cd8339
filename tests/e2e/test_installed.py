"""The service as pip installs it: a wheel in an environment of its own, which knows nothing of a checkout."""

import json
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.version import __version__
from tests.support.checkout import ROOT, Running
from tests.support.environment import environment_of_a_checkout
from tests.support.service import SECRET_KEY, bearer, free_port, wait_briefly

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "requirements.in")
NEVER = shutil.ignore_patterns("__pycache__")


def do(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, env=environment_of_a_checkout(), timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from copies, because setuptools leaves a folder in its sources."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT / "storage_app", folder / "storage_app", ignore=NEVER)
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    do(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in a fresh environment that sees the libraries of this one: to install them takes a minute."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    do(sys.executable, "-m", "venv", "--without-pip", venv)
    do(*PIP, "--python", venv, "install", "--no-deps", "--no-index", wheel)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return venv / "bin" / "selfdb-storage"


class Installed:
    """The command, run in a folder of its own that holds a `.env`."""

    def __init__(self, command: Path, folder: Path) -> None:
        self._command, self._folder, self._port = command, folder, free_port()
        self.configure()

    def configure(self, **settings: str) -> None:
        given = {
            "SECRET_KEY": SECRET_KEY,
            "PORT": str(self._port),
            "STORAGE_PATH": "./data",
            "MIN_FREE_BYTES": "0",
            **settings,
        }
        (self._folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.running(*arguments) as running:
            return running.end(), running.output

    def running(self, *arguments: str, **environment: str) -> Running:
        return Running(self._command, *arguments, cwd=self._folder, **environment)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self._port}{path}"
        request = urllib.request.Request(url, body, {**bearer(), **headers}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()


@pytest.fixture
def installed(command: Path, tmp_path: Path) -> Installed:
    return Installed(command, tmp_path)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        wait_briefly()
    raise AssertionError("it did not come true in 20 s")


def test_wheel_holds_the_whole_package_and_its_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (about,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    package = ROOT / "storage_app"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {str(path.relative_to(ROOT)) for path in files}
    wanted = re.findall(r"^[A-Za-z][^ #]*", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    needed = re.findall(r"^Requires-Dist: ([\w-]+)", about, re.MULTILINE)
    assert needed == [re.split(r"[^\w-]", name)[0] for name in wanted]
    assert f"\nVersion: {__version__}\n" in about


def test_version_is_that_of_the_package(installed: Installed) -> None:
    assert installed.run("--version") == (0, f"SelfDB storage {__version__}\n")


def test_files_outlive_a_restart_and_commands_see_them(installed: Installed, tmp_path: Path) -> None:
    with installed.running("serve", WEB_CONCURRENCY="") as first:
        first.read_until("listens on")
        assert (
            installed.ask("POST", "/buckets", b'{"name": "photos"}', **{"Content-Type": "application/json"})[0] == 201
        )
        assert installed.ask("PUT", "/files/upload-direct/photos/k", b"bytes")[0] == 201
        assert first.end(signal.SIGTERM) == 0
        assert "Traceback" not in first.output
    assert (tmp_path / "data" / ".system").is_dir()
    status, output = installed.run("buckets", "--json")
    assert (status, json.loads(output)["total_size"]) == (0, 5)
    with installed.running("serve") as second:
        second.read_until("listens on")
        assert installed.ask("GET", "/files/download/photos/k") == (200, b"bytes")
        hint = re.search(r"A token +(.*)", second.read_until("Ctrl-C"))
        assert hint
        with Running("bash", "-c", hint[1], cwd=Path("/")) as token:
            assert (token.end(), token.output.count(".")) == (0, 2)  # a JWT: three parts


def test_reload_takes_new_settings_from_dotenv_unless_they_are_wrong(installed: Installed) -> None:
    with installed.running("serve") as running:
        running.read_until("listens on")
        installed.ask("POST", "/buckets", b'{"name": "photos"}', **{"Content-Type": "application/json"})
        installed.configure(MAX_FILE_SIZE="many")
        running.process.send_signal(signal.SIGHUP)
        running.read_until("The settings stay as they were: MAX_FILE_SIZE must be")
        assert installed.ask("PUT", "/files/upload-direct/photos/k", b"bytes")[0] == 201
        installed.configure(MAX_FILE_SIZE="4")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: installed.ask("PUT", "/files/upload-direct/photos/k", b"bytes")[0] == 413)
        assert running.end(signal.SIGTERM) == 0
