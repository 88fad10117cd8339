"""The measurement of folders, at a small size."""

import re

import pytest

from benchmarks import folders


def test_folder_is_renamed_and_deleted(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(folders, "DELETES", 1)
    monkeypatch.setattr(folders, "P99_MS", 10_000)
    with pytest.raises(SystemExit) as end:
        folders.main(["--files", "200", "--renamed", "100", "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert end.value.code == 0, printed
    assert re.search(r"^renamed +100 .+\n(.*\n)?deleted +200 ", printed, re.MULTILINE), printed
    assert list(tmp_path.iterdir()) == []
