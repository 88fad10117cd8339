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


def every_instruction() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, without what stands before the first."""
    every = every_instruction()
    starts = [i for i, (name, _) in enumerate(every) if name == "FROM"]
    return [every[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def instructions() -> list[tuple[str, str]]:
    """Return what the image itself consists of: the last stage."""
    return stages()[-1]


def copied() -> set[str]:
    """Return what is copied from the context."""
    values = [value for name, value in every_instruction() if name == "COPY" and not value.startswith("--from")]
    return {name for value in values for name in value.split()[:-1]}


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
    assert [value for name, value in every_instruction() if name == "FROM"] == ["${BASE} AS build", "${BASE}"]
    (argument,) = [value for name, value in every_instruction() if name == "ARG"]
    version = re.fullmatch(r"BASE=python:3\.(\d+)-slim", argument)
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
    assert position("COPY", "requirements.txt") < install < position("COPY", "--from=build")
    assert "scripts/bootstrap.py --write-env requirements.txt" in (ROOT / "run.sh").read_text()


def test_wheel_is_built_by_what_is_locked_with_hashes() -> None:
    commands = [value for name, value in stages()[0] if name == "RUN"]
    assert "--require-hashes -r requirements-build.txt" in commands[0]
    assert "--no-build-isolation" in commands[1]


def test_everything_that_is_copied_is_there() -> None:
    assert {"storage_app", "gunicorn.conf.py", "wsgi.py"} < copied()
    assert all((ROOT / name).exists() for name in copied())


def test_context_lets_in_only_what_is_copied() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied()


def test_starts_the_service_without_a_shell_in_between() -> None:
    assert json.loads(only("CMD")) == ["selfdb-storage", "serve"]
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
