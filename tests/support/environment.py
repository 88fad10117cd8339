"""The environment of the tests, free of the developer's settings and of the checkout's `.env`."""

import os
from collections.abc import Mapping

from storage_app.settings import SETTINGS

SETTING_NAMES = frozenset(name for setting in SETTINGS for name in (setting.name, setting.also) if name)
# Variables that Flask, gunicorn and PostgreSQL's client read.
_PREFIXES = ("FLASK_", "GUNICORN_", "PG")
# python-dotenv and Flask read `.env` unless these are set.
_WITHOUT_DOTENV = {"PYTHON_DOTENV_DISABLED": "1", "FLASK_SKIP_DOTENV": "1"}
# What a checkout of its own must not inherit from the test run.
_OF_THE_RUN = frozenset({*_WITHOUT_DOTENV, "VIRTUAL_ENV", "COVERAGE_FILE", "PYTEST_ADDOPTS"})


def isolate() -> None:
    """Take every setting out of this process's environment, and have it and its children ignore `.env`."""
    for name in [name for name in os.environ if name in SETTING_NAMES or name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ.update(_WITHOUT_DOTENV)


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the isolated environment without the settings that a test has set, and with `extra`."""
    return {name: value for name, value in os.environ.items() if name not in SETTING_NAMES} | dict(extra)


def environment_of_a_checkout() -> dict[str, str]:
    """Return the environment for scripts of another checkout, which read its own `.env` and use its own `.venv`."""
    return {name: value for name, value in clean_environment({}).items() if name not in _OF_THE_RUN}
