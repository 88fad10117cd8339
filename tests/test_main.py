"""The command `selfdb-storage`. tests/e2e/test_installed.py runs it as pip installs it."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from storage_app.__main__ import commands
from storage_app.cli import storage_commands
from storage_app.version import __version__
from tests.support.environment import clean_environment
from tests.support.service import ROOT


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "storage_app", *arguments],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_serves_and_has_every_command_of_flask_storage() -> None:
    assert commands.commands.keys() == storage_commands.commands.keys() | {"serve"}


def test_version_is_printed() -> None:
    done = CliRunner().invoke(commands, ["--version"])
    assert (done.exit_code, done.output) == (0, f"SelfDB storage {__version__}\n")


def test_help_names_the_commands() -> None:
    done = CliRunner().invoke(commands, ["--help"])
    assert done.exit_code == 0
    assert all(f"\n  {name} " in done.output for name in commands.commands)


@pytest.mark.parametrize("command", [("serve",), ("buckets",)])
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "SECRET_KEY is not set: "),
        ({"SECRET_KEY": "k" * 32, "WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY must be a whole number"),
    ],
)
def test_wrong_setting_is_one_sentence(command: tuple[str], environment: dict[str, str], sentence: str) -> None:
    status, output, error = run(*command, **environment)
    assert (status, output, error.count("\n")) == (1, "", 1)
    assert error.startswith(sentence)


def test_serve_takes_no_argument() -> None:
    status, output, error = run("serve", "--port=9000")
    assert (status, output) == (2, "")
    assert "No such option '--port'" in error


def test_config_says_where_each_value_comes_from() -> None:
    status, output, _ = run("config", SECRET_KEY="k" * 32, PORT="9000")
    assert status == 0
    assert ["PORT", "9000", "environment"] in [line.split() for line in output.splitlines()]
