"""The boot id: one for each boot, and none to trust where the system has none."""

from pathlib import Path

import pytest

from storage_app.host import boot


def test_boot_has_one_id() -> None:
    assert boot.boot_id() == boot.boot_id() != ""


def test_without_one_every_look_is_another_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(boot, "_BOOT_ID", tmp_path / "missing")
    assert boot.boot_id() != boot.boot_id()
