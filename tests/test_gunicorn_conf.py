"""gunicorn.conf.py: the package's configuration, for `gunicorn wsgi:app` in the project's folder."""

import runpy
from typing import Any

import pytest
from gunicorn.config import Config

from storage_app.server.configuration import configuration
from storage_app.settings import load_settings
from tests.support.checkout import ROOT


def load() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def test_it_is_the_configuration_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    loaded, names = load(), Config().settings.keys()
    assert {name for name in loaded if name in names} == configuration(load_settings()).keys() | {"wsgi_app", "chdir"}
    assert (loaded["wsgi_app"], loaded["chdir"]) == ("wsgi:app", str(ROOT))


def test_it_reads_the_settings_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    for threads in (3, 5):
        monkeypatch.setenv("THREADS", str(threads))
        assert load()["threads"] == threads


def test_wrong_setting_ends_the_start_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "short")
    with pytest.raises(SystemExit, match=r"^SECRET_KEY must be at least 32 bytes"):
        load()
