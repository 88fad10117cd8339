"""The environment and `.env`: which wins, and what each may hold."""

import os
from pathlib import Path

import pytest

from storage_app.errors import SettingsError
from storage_app.settings import environment, load_settings

KEY = "k" * 32


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, whose `.env` is read."""
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    return tmp_path


def test_dotenv_is_read_and_the_environment_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text(f"SECRET_KEY={KEY}\nPORT=8001\nTHREADS=7\nBASE_URL=http://localhost:${{PORT}}\n")
    assert (load_settings().port, load_settings().base_url) == (8001, "http://localhost:8001")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("THREADS", "")
    settings = load_settings()
    assert (settings.port, settings.base_url, settings.threads) == (9000, "http://localhost:9000", 7)


def test_environment_is_enough_without_dotenv(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    assert load_settings() == load_settings({"SECRET_KEY": KEY})


@pytest.mark.parametrize("value", ["1", "True"])
def test_dotenv_is_not_read_if_python_dotenv_is_disabled(
    project: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    (project / ".env").write_text(f"SECRET_KEY={KEY}\n")
    assert load_settings().secret_key == KEY
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", value)
    with pytest.raises(SettingsError, match=r"^SECRET_KEY is not set"):
        load_settings()


def test_loading_changes_no_environment(project: Path) -> None:
    (project / ".env").write_text(f"SECRET_KEY={KEY}\n")
    load_settings()
    assert "SECRET_KEY" not in os.environ


def test_unreadable_dotenv_is_one_sentence(project: Path) -> None:
    (project / ".env").write_bytes(b"SECRET_KEY=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_settings()


def test_folder_of_an_installed_package_is_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "lib" / "storage_app"
    assert environment.project_folder(package) == tmp_path
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").touch()
    assert environment.project_folder(package) == tmp_path / "lib"
