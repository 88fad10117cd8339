"""The conditions under which all tests run: with their own settings alone, whatever the checkout and its user have."""

import sys
from pathlib import Path

from tests.support.checkout import Running, copy_checkout

DOTENV = """\
SECRET_KEY=short
PORT=eighty
STORAGE_PATH=/dev/null/files
DOWNLOAD_OFFLOAD=nginx
"""
EXPORTED = {
    "SECRET_KEY": "short",
    "INDEX_URL": "sqlite://",
    "LOG_FORMAT": "xml",
    "STORAGE_SERVICE_EXTERNAL_URL": "nowhere",
    "GUNICORN_CMD_ARGS": "--bind=nowhere",
    "FLASK_APP": "nothing",
}
# A missing key, a start, a command, and a real service.
TESTS = [
    "tests/settings/test_settings.py",
    "tests/server/test_lifecycle.py::test_recovery_runs_before_the_workers",
    "tests/e2e/test_lost_index.py::test_kill_and_restart_keeps_what_was_answered",
]


def test_nothing_of_the_developer_reaches_the_tests(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "clone")
    (checkout / ".env").write_text(DOTENV)
    (checkout / "data").mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
    with Running(*command, *TESTS, cwd=checkout, **EXPORTED) as running:
        assert running.end(seconds=120) == 0, running.output
    assert list((checkout / "data").iterdir()) == []
