"""gunicorn as `selfdb-storage serve` runs it. tests/e2e/test_installed.py runs it for real, from a wheel."""

import logging
from types import SimpleNamespace

import pytest

from storage_app.server.application import Service
from tests.support.service import SECRET_KEY


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setattr(logging.getLogger("gunicorn.error"), "propagate", True)  # for caplog
    return monkeypatch


def test_options_of_gunicorn_itself_are_not_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GUNICORN_CMD_ARGS", "--workers 7")
    assert Service().cfg.workers == 3


def test_reload_reads_the_settings_again(environment: pytest.MonkeyPatch) -> None:
    service = Service()
    environment.setenv("WEB_CONCURRENCY", "4")
    service.reload()
    assert (service.cfg.workers, service.settings.web_concurrency) == (4, 4)


def test_reload_with_a_wrong_setting_keeps_those_in_force(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    environment.setenv("WEB_CONCURRENCY", "4")
    environment.setenv("THREADS", "many")
    service.reload()
    assert (service.cfg.workers, service.settings.web_concurrency) == (3, 3)
    assert caplog.messages[0].startswith("The settings stay as they were: THREADS must be")


@pytest.mark.parametrize(("log_format", "greets"), [("text", True), ("json", False)])
def test_hints_are_for_people(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log_format: str, greets: bool
) -> None:
    environment.setenv("LOG_FORMAT", log_format)
    log = SimpleNamespace(info=lambda *_: None)
    Service().cfg.when_ready(SimpleNamespace(log=log, LISTENERS=()))
    assert ("http://localhost:8001/docs" in capsys.readouterr().out) is greets
