"""The file that several processes append to: no line is lost or torn, and nobody waits for the disk."""

import logging
import multiprocessing
from pathlib import Path

import pytest

from storage_app.host import append_log
from storage_app.host.append_log import AppendLog


def lines(path: Path) -> list[str]:
    """Return the lines of all files, the oldest file first."""
    number = {each: int(each.suffix[1:]) for each in path.parent.glob(path.name + ".*")}
    files = [*sorted(number, key=lambda each: -number[each]), path]
    return [line for each in files for line in each.read_text().splitlines()]


def write_some(path: Path, name: str, count: int) -> None:
    log = AppendLog(path)
    for number in range(count):
        log.append(f"{name} {number} {'x' * 80}")
    log.close()


def test_processes_rotate_one_file_without_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"
    monkeypatch.setattr(append_log, "MAX_BYTES", 20_000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_some, args=(path, name, 400)) for name in "ab"]
    for each in writers:
        each.start()
    for each in writers:
        each.join(30)
        assert each.exitcode == 0
    written = lines(path)
    for name in "ab":
        assert [line for line in written if line.startswith(name)] == [
            f"{name} {number} {'x' * 80}" for number in range(400)
        ]
    assert len(list(tmp_path.glob("audit.log.*"))) >= 3
    assert max(each.stat().st_size for each in tmp_path.glob("audit.log*")) < 21_000  # a line more at most


def test_oldest_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_log, "MAX_BYTES", 1000)
    monkeypatch.setattr(append_log, "KEPT", 2)
    write_some(tmp_path / "audit.log", "a", 100)
    assert sorted(each.name for each in tmp_path.glob("audit.log*")) == ["audit.log", "audit.log.1", "audit.log.2"]
    assert lines(tmp_path / "audit.log")[-1].startswith("a 99 ")


def test_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write_some(path, "a", 1)
    assert path.stat().st_mode & 0o077 == 0


def test_line_that_finds_no_room_is_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(append_log, "MAX_WAITING", 5)
    path = tmp_path / "audit.log"
    log = AppendLog(path)
    monkeypatch.setattr(log, "_start", lambda: None)  # the disk stands still
    for number in range(8):
        log.append(str(number))
    monkeypatch.undo()
    with caplog.at_level(logging.ERROR):
        log.append("one more, which starts the thread")
        log.close()
    assert lines(path)[:5] == ["0", "1", "2", "3", "4"]
    assert [record.getMessage() for record in caplog.records] == [f"{9 - len(lines(path))} lines of {path} are lost"]


def test_lines_that_the_disk_refuses_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "folder" / "audit.log"
    path.parent.mkdir()
    path.mkdir()
    log = AppendLog(path)
    with caplog.at_level(logging.ERROR):
        log.append("a line")
        log.close()
    assert [record.getMessage() for record in caplog.records] == [f"1 lines of {path} are lost"]
    assert "IsADirectoryError" in caplog.text


def test_log_goes_on_after_it_was_closed(tmp_path: Path) -> None:
    log = AppendLog(tmp_path / "audit.log")
    for line in ("first", "second"):
        log.append(line)
        log.close()
    assert lines(tmp_path / "audit.log") == ["first", "second"]
