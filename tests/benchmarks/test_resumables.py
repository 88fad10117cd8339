"""The measurement of resumable uploads, at a small size."""

import re

import pytest

from benchmarks import resumables


def test_slow_and_large_uploads_are_measured(capsys, monkeypatch, tmp_path) -> None:
    for bar in ("P99_MS", "LAST_SECONDS", "GROWTH_MIB"):
        monkeypatch.setattr(resumables, bar, 10_000)
    with pytest.raises(SystemExit) as end:
        resumables.main(["--slow", "60", "--seconds", "1", "--mib", "20", "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    assert end.value.code == 0, printed
    # MAX_UPLOADS is 48, and each upload arrives all the same.
    put_off = re.search(r"answers of 503 +([1-9])", printed)
    assert put_off, printed
    assert list(tmp_path.iterdir()) == []
