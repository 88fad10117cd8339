"""gunicorn.conf.py: what it makes of the settings."""

import importlib.util
import resource
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config

PATH = Path(__file__).resolve().parent.parent / "gunicorn.conf.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gunicorn_conf", PATH)
    assert spec
    assert spec.loader
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    return conf


@pytest.mark.parametrize(("host", "bind"), [("0.0.0.0", "0.0.0.0:9000"), ("::1", "[::1]:9000")])
def test_address_and_counts_come_from_the_settings(host: str, bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SECRET_KEY": "k" * 32, "HOST": host, "PORT": "9000", "WEB_CONCURRENCY": "3", "THREADS": "5"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    conf = load()
    assert (conf.bind, conf.workers, conf.threads) == ([bind], 3, 5)


def test_wrong_setting_ends_the_start_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "short")
    with pytest.raises(SystemExit, match=r"^SECRET_KEY must be at least 32 bytes"):
        load()


@pytest.mark.parametrize(
    ("worker", "expected"), [("scheduled", "storage_app.server.worker.Worker"), ("gthread", "gthread")]
)
def test_worker_can_be_gunicorns_own(worker: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    monkeypatch.setenv("WORKER", worker)
    assert load().worker_class == expected


def test_files_are_sent_by_sendfile_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    monkeypatch.setenv("SERVER_SOFTWARE", "")  # the arbiter sets it
    monkeypatch.setenv("SENDFILE", "no")
    config = Config()
    assert not config.sendfile
    config.set("raw_env", load().raw_env)
    Arbiter(SimpleNamespace(cfg=config))
    assert config.sendfile
    config.set("sendfile", True)
    assert not config.sendfile, "gunicorn's own setting works now: use it in the place of raw_env"


def test_a_worker_has_no_more_connections_than_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    monkeypatch.setenv("THREADS", "4")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
        assert load().worker_connections == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limits[1], limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
