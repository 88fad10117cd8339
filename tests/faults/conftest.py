"""Fixtures: a process of one thread to fork victims from, and what was counted."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.faults import databases
from tests.faults.operations import OPERATIONS
from tests.faults.runs import Report
from tests.faults.tracing import reason_not_to_trace
from tests.support.postgres import PostgresServer

# What is not synced is there after a kill, so a disk in memory will do, and is faster.
MEMORY = Path("/dev/shm")

# `kill_everywhere` or `fail_everywhere`.
Proof = Callable[..., Report]


@pytest.fixture(scope="session")
def forker() -> Iterator[ProcessPoolExecutor]:
    """A process of one thread, which has no database open; this one may have both."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=databases.look_every_time) as executor:
        reason = executor.submit(reason_not_to_trace).result()
        if reason is not None:
            pytest.skip(reason)
        yield executor


@pytest.fixture(scope="session")
def folder(url: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-", dir=MEMORY if MEMORY.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What the tests of a module have counted together; said when they have run, whether or not output is captured."""
    counted = Report()
    yield counted
    said = f"\n{request.module.POINTS}: {counted.points}, broken promises: {len(counted.broken)}\n"
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        request.config.get_terminal_writer().write(said)


# What is tried on a server, too: the others differ from these by what the store does alone.
ON_A_SERVER = ("delete many", "edit, reported")
# The other form of these is tried always.
IN_CI_ALONE = ("resumable of parts",)
ON_A_SERVER_IN_CI = ("create by form", "overwrite", "delete", *ON_A_SERVER, "move across, reported", "delete bucket")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each proof an operation, and the database that the index lies in."""
    if "name" in metafunc.fixturenames:
        cases = [("sqlite", name) for name in OPERATIONS if name not in IN_CI_ALONE or _is_ci(metafunc.config)]
        cases += [("postgresql", name) for name in _on_a_server(metafunc.config)]
        metafunc.parametrize(("url", "name"), cases, indirect=["url"], scope="session")


def _is_ci(config: pytest.Config) -> bool:
    return bool(config.getoption("--ci") or config.getoption("--long"))


def _on_a_server(config: pytest.Config) -> Iterable[str]:
    if config.getoption("--long"):
        return OPERATIONS
    return ON_A_SERVER_IN_CI if config.getoption("--ci") else ON_A_SERVER


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """The database for the index; "" for a file."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def prove(forker: ProcessPoolExecutor, folder: Path, url: str, total: Report, long: bool) -> Proof:
    """Run a proof in a process from which victims can be forked, on each database."""

    def run(proof: Proof, name: str) -> Report:
        report = forker.submit(proof, name, folder, url, long=long).result()
        total.points += report.points
        total.broken += report.broken
        return report

    return run
