"""Fixtures: a store on a real disk, the application over it, and a real service where HTTP itself is the subject."""

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app import create_app, logs
from storage_app.host import measures
from storage_app.maintenance import recover as maintenance
from storage_app.node import Services, Storage
from storage_app.settings import Settings, load_settings
from tests.support.environment import isolate
from tests.support.measured import Kept
from tests.support.postgres import PostgresServer, binaries
from tests.support.service import ANON_KEY, SECRET_KEY, RunningService, bearer

# Their assertions say what they compared, as those of tests do.
pytest.register_assert_rewrite(
    "tests.support.clients", "tests.support.comparison", "tests.support.folder_comparison", "tests.support.disruptions"
)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Make settings; keyword arguments are environment variables."""

    def make(**environment: str) -> Settings:
        defaults = {
            "SECRET_KEY": SECRET_KEY,
            "ANON_KEY": ANON_KEY,
            "STORAGE_PATH": str(tmp_path / "store"),
            "MIN_FREE_BYTES": "0",
            "BASE_URL": "https://selfdb.example",
            "STORAGE_SERVICE_PUBLIC_URL": "https://files.example",
            "LOG_LEVEL": "ERROR",
        }
        return load_settings({**defaults, **environment})

    return make


# By what they are made from. All else they look up in their `Storage` at each request.
_APPLICATIONS: dict[tuple[object, ...], Flask] = {}


def application(settings: Settings) -> Flask:
    """Return an application that was made before, if there is one: making one takes longer than most tests."""
    made_from = (
        settings.cors_origins,
        settings.trusted_proxies,
        settings.offload_secret is not None,
        settings.service_key is not None,
        settings.server_timing,
    )
    if made_from not in _APPLICATIONS:
        _APPLICATIONS[made_from] = create_app(settings)
    app = _APPLICATIONS[made_from]
    logs.configure(settings.log_level, settings.log_format)
    app.extensions["storage"] = Storage(settings)
    return app


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recovered store with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "store"
    maintenance.recover(path, durable=False)
    return path


@pytest.fixture
def make_app(make_settings: Callable[..., Settings], empty_store: Path) -> Iterator[Callable[..., Flask]]:
    """Make an application over a recovered store; keyword arguments are environment variables."""
    made: list[Storage] = []

    def make(**environment: str) -> Flask:
        settings = make_settings(**environment)
        if settings.storage_path.exists():
            maintenance.recover(settings.storage_path, durable=False)
        else:
            shutil.copytree(empty_store, settings.storage_path)
        # The first one's may be in use, and one with an audit log is wired otherwise.
        app = create_app(settings) if made or settings.audit_log else application(settings)
        made.append(app.extensions["storage"])
        return app

    yield make
    for storage in made:
        storage.stop()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def services(app: Flask) -> Services:
    storage: Storage = app.extensions["storage"]
    return storage.services


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Whatever is told to `host/measures.py` during the test."""
    recorder = Kept()
    measures.install(recorder)
    yield recorder
    measures.install(None)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One real service for all tests that do not stop it; each test uses buckets of its own."""
    with RunningService(tmp_path_factory.mktemp("service") / "store") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One database server for all tests; each makes a database of its own."""
    programs = binaries()
    if programs is None:
        pytest.skip("install postgresql")
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Hear the service's log, too, which an application that was made before has kept from it."""
    logger = logging.getLogger("storage_app")
    propagates, logger.propagate = logger.propagate, True
    caplog.set_level(logging.WARNING, logger="storage_app")
    yield caplog
    logger.propagate = propagates


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    """Start services of a test's own; keyword arguments are environment variables."""
    started: list[RunningService] = []

    def start(storage_path: Path | None = None, **environment: str) -> RunningService:
        running = RunningService(storage_path or tmp_path / "store", **environment)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        running.stop()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long form of long proofs: gigabytes, many rounds")
    parser.addoption("--worker", default="scheduled", help="the WORKER that real services run on")
    parser.addoption("--ci", action="store_true", help="run the middle form of long proofs, as CI does")


def pytest_configure(config: pytest.Config) -> None:
    isolate()
    RunningService.worker = config.getoption("--worker")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let files with slow tests begin first, then those that start services, so that cores become idle together.

    Leave tests marked `ci` to `--ci` and `--long`: another form of each runs always.
    """
    if not (config.getoption("--ci") or config.getoption("--long")):
        left = [item for item in items if item.get_closest_marker("ci")]
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent.name != "e2e"))


@pytest.fixture(scope="session")
def ci(request: pytest.FixtureRequest) -> bool:
    """Whether proofs take their middle form; the long one is preferred where both are asked for."""
    return bool(request.config.getoption("--ci"))


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether proofs take their long form."""
    return bool(request.config.getoption("--long"))


_buckets = itertools.count(1)


@pytest.fixture
def bucket(service: RunningService) -> str:
    """A private bucket of alice's on the shared service, for one test."""
    name = f"bucket-{next(_buckets)}"
    response = httpx.post(f"{service.url}/buckets", json={"name": name}, headers=bearer())
    assert response.status_code == 201, response.text
    return name
