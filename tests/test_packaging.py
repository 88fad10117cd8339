"""The locked requirements, the version and the standing files of the project."""

import re
import tomllib

import pytest

from storage_app.version import __version__
from tests.support.checkout import ROOT

LOCKS = ["requirements", "requirements-build", "requirements-dev"]


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==([^\s;]+)", (ROOT / f"{name}.txt").read_text(), re.MULTILINE)
    return dict(pins)


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_locked(name: str) -> None:
    wanted = re.findall(r"^([A-Za-z][\w-]*)", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
    assert {requirement.lower() for requirement in wanted} <= locked(name).keys()


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_says_why(name: str) -> None:
    lines = [line for line in (ROOT / f"{name}.in").read_text().splitlines() if line[:1].isalpha()]
    assert [line for line in lines if not re.search(r" # \S", line)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    pins = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert not re.search(r"://|^\s*-|@ ", re.sub(r"^    --hash=.*|#.*", "", text, flags=re.MULTILINE), re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_extras_are_pinned_with_their_requirement(name: str) -> None:
    """Older versions of pip take `coverage==7` for no pin of `coverage[toml]`, and refuse the whole file."""
    wanted = re.findall(r"^([A-Za-z][\w-]*\[[\w,-]+\])", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
    text = (ROOT / f"{name}.txt").read_text()
    assert [requirement for requirement in wanted if f"\n{requirement}==" not in f"\n{text}"] == []


def test_tests_run_against_the_versions_that_serve() -> None:
    assert locked("requirements").items() <= locked("requirements-dev").items()


def test_version_and_licence_are_declared_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "storage_app.version.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert project["project"]["license"] == (ROOT / "LICENSE").read_text().split()[0]


def test_ci_checks_what_the_developers_command_checks() -> None:
    assert "./run_tests.sh --check --no-skips" in (ROOT / ".ci/run").read_text()
