"""The Dockerfile does what run.sh does, as nobody in particular. `.ci/image` builds the image and runs it."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from storage_app.settings import load_settings
from tests.support.checkout import ROOT


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def only(name: str) -> str:
    (value,) = [value for instruction, value in instructions() if instruction == name]
    return value


def position(name: str, start: str) -> int:
    return next(
        i
        for i, (instruction, value) in enumerate(instructions())
        if (instruction, value[: len(start)]) == (name, start)
    )


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only("ENV").split())


def test_base_is_a_slim_python_that_the_project_supports() -> None:
    assert only("FROM") == "${BASE}"
    version = re.fullmatch(r"BASE=python:3\.(\d+)-slim", only("ARG"))
    assert version
    assert 11 <= int(version[1]) <= 14


def test_runs_as_a_fixed_user_that_owns_the_volume() -> None:
    assert only("USER") == "10001:10001"
    assert position("USER", "") > max(i for i, (name, _) in enumerate(instructions()) if name in {"RUN", "COPY"})
    setup = instructions()[position("RUN", "groupadd")][1]
    assert "--gid 10001 storage" in setup
    assert "--uid 10001 --gid storage" in setup
    assert f"install -d -o storage -g storage {only('VOLUME')}" in setup


def test_installs_what_run_sh_installs_with_hashes_and_before_the_code() -> None:
    install = position("RUN", "pip install")
    assert "--require-hashes -r requirements.txt" in instructions()[install][1]
    assert position("COPY", "requirements.txt") < install < position("COPY", "storage_app")
    assert "scripts/bootstrap.py --write-env requirements.txt" in (ROOT / "run.sh").read_text()


def test_copies_everything_the_service_needs_and_nothing_that_is_not_there() -> None:
    copied = {name for instruction, value in instructions() if instruction == "COPY" for name in value.split()[:-1]}
    assert copied == {"LICENSE", "gunicorn.conf.py", "requirements.txt", "storage_app", "wsgi.py"}
    assert all((ROOT / name).exists() for name in copied)


def test_context_lets_in_only_what_is_copied() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = {name for instruction, value in instructions() if instruction == "COPY" for name in value.split()[:-1]}
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_starts_gunicorn_without_a_shell_in_between() -> None:
    assert json.loads(only("CMD")) == ["gunicorn", "wsgi:app"]
    assert only("STOPSIGNAL") == "SIGTERM"


def test_settings_are_right_except_for_the_key_that_must_be_given() -> None:
    assert not environment().keys() & {"SECRET_KEY", "ANON_KEY"}
    settings = load_settings(environment() | {"SECRET_KEY": "k" * 32})
    assert (settings.host, settings.port) == ("0.0.0.0", int(only("EXPOSE")))
    assert str(settings.storage_path) == only("VOLUME")


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_healthcheck_asks_health_at_the_port(status: int, healthy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    command = json.loads(only("HEALTHCHECK").partition(" CMD ")[2])
    assert command[0] == "python"
    with HTTPServer(("127.0.0.1", 0), type("Answer", (Health,), {"status": status})) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("PORT", str(server.server_port))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # must not be asked
        done = subprocess.run([sys.executable, *command[1:]], capture_output=True, timeout=30, check=False)
        thread.join()
    assert (done.returncode == 0) is healthy
