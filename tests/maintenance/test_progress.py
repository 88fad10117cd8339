"""Progress of a rebuild: a bar on a terminal, and lines, not too many, in a log."""

import re
import sys

import pytest

from storage_app.maintenance import progress
from storage_app.maintenance.progress import RebuildProgress


@pytest.mark.parametrize(("seconds", "lines"), [(0, ["1,000 of 2,500", "2,500 of 2,500"]), (3600, [])])
def test_line_is_written_to_a_log_now_and_then(
    seconds: float, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", seconds)
    said: list[str] = []
    shown = RebuildProgress(said.append)
    shown.show(1000, 2500)
    shown.show(2500, 2500)
    shown.finish()
    assert re.findall(r"^(.*) files read, [\d,]+ a second$", "\n".join(said), re.MULTILINE) == lines
    assert len(said) == len(lines)


def test_bar_advances_to_its_end_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = RebuildProgress(print)
    for files in (1, 3, 4):
        shown.show(files, 4)
        assert shown._bar.pos == files
    shown.finish()
    written = capsys.readouterr()
    assert written.out == ""
    assert "Reading records" in written.err
    assert "4/4" in written.err


def test_rebuild_of_nothing_can_be_finished(capsys: pytest.CaptureFixture[str]) -> None:
    shown = RebuildProgress(print)
    shown.finish()
    assert capsys.readouterr().err == ""


def test_summary_says_how_many_files_there_were() -> None:
    assert re.fullmatch(r"1,234,567 files in \d+\.\d s", RebuildProgress(print).summary(1_234_567))
    assert RebuildProgress(print).summary(1).startswith("1 file in ")
