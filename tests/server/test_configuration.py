"""What gunicorn is told, given the settings."""

import resource
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config

from storage_app.server import configuration as module
from storage_app.settings import load_settings


def configuration(**environment: str) -> dict[str, Any]:
    return module.configuration(load_settings({"SECRET_KEY": "k" * 32, **environment}))


@pytest.mark.parametrize(("host", "bind"), [("0.0.0.0", "0.0.0.0:9000"), ("::1", "[::1]:9000")])
def test_address_and_counts_come_from_the_settings(host: str, bind: str) -> None:
    made = configuration(HOST=host, PORT="9000", WEB_CONCURRENCY="3", THREADS="5", LOG_LEVEL="WARNING")
    assert (made["bind"], made["workers"], made["threads"], made["loglevel"]) == ([bind], 3, 5, "warning")


def test_gunicorn_takes_every_setting() -> None:
    config = Config()
    for name, value in configuration().items():
        config.set(name, value)


@pytest.mark.parametrize(
    ("worker", "expected"), [("scheduled", "storage_app.server.worker.Worker"), ("gthread", "gthread")]
)
def test_worker_can_be_gunicorns_own(worker: str, expected: str) -> None:
    assert configuration(WORKER=worker)["worker_class"] == expected


def test_files_are_sent_by_sendfile_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "")  # the arbiter sets it
    monkeypatch.setenv("SENDFILE", "no")
    config = Config()
    assert not config.sendfile
    config.set("raw_env", configuration()["raw_env"])
    Arbiter(SimpleNamespace(cfg=config))
    assert config.sendfile
    config.set("sendfile", True)
    assert not config.sendfile, "gunicorn's own setting works now: use it in the place of raw_env"


def test_a_worker_has_no_more_connections_than_descriptors() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
        assert configuration(THREADS="4")["worker_connections"] == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limits[1], limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
