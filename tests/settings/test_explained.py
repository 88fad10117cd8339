"""Where the settings in force come from."""

from pathlib import Path

import pytest

from storage_app.settings import environment
from storage_app.settings.explained import ExplainedSetting, explain


def test_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        f"SECRET_KEY={'s' * 32}\nPORT=9001\nTHREADS=4\nSTORAGE_SERVICE_EXTERNAL_URL=http://x\n"
    )
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED", raising=False)
    monkeypatch.setenv("PORT", "9002")
    explained = {each.name: each for each in explain()}
    assert explained["PORT"] == ExplainedSetting("PORT", "9002", "environment")
    assert explained["THREADS"] == ExplainedSetting("THREADS", "4", ".env")
    assert explained["SECRET_KEY"] == ExplainedSetting("SECRET_KEY", "(hidden)", ".env")
    assert explained["ALGORITHM"].source == "default"
    assert explained["STORAGE_SERVICE_PUBLIC_URL"] == ExplainedSetting(
        "STORAGE_SERVICE_PUBLIC_URL", "http://x", ".env, as STORAGE_SERVICE_EXTERNAL_URL"
    )
