"""The tests against a real service pass on gunicorn's own worker, too (`WORKER=gthread`)."""

import subprocess
import sys

import pytest

from tests.support.environment import clean_environment
from tests.support.service import ROOT

# What differs most with the worker: bodies that end early, slow and silent clients.
SHORT = ["test_bad_uploads.py", "test_silent_clients.py"]


@pytest.mark.ci
def test_answers_are_the_same_on_gunicorns_own_worker(long: bool) -> None:
    paths = [f"tests/e2e/{name}" for name in (["."] if long else SHORT)]
    this = f"--deselect=tests/e2e/{__file__.rpartition('/')[2]}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "--worker", "gthread", this]
    done = subprocess.run(
        [*command, *paths], cwd=ROOT, env=clean_environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:]
