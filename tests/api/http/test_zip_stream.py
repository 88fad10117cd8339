"""Archives as other programs read them, and their length before their first byte."""

import io
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from storage_app.api.http.zip_stream import Entry, EntryGoneError, ZipStream

MOMENT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
SCRIPTS = ("letter", "Größe", "буква", "γράμμα", "文字", "حرف", "🦊")
GIB = 1 << 30


def entry(name: str, size: int = 3, modified: datetime = MOMENT) -> Entry:
    return Entry(name, size, modified, name)


def archive(entries: list[Entry], open_source: Callable[[str], BinaryIO] = lambda name: io.BytesIO(b"abc")) -> bytes:
    stream = ZipStream(entries, open_source)
    made = b"".join(stream)
    assert len(made) == stream.length
    return made


def run(*command: str) -> str:
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert finished.returncode == 0, finished.stdout[-500:] + finished.stderr[-500:]
    return finished.stdout


def assert_readers_accept(path: Path, names: list[str]) -> None:
    """Assert that unzip, bsdtar and Python read the archive, with these names in it."""
    run("unzip", "-tqq", str(path))
    assert run("bsdtar", "-tf", str(path)).splitlines() == names
    with zipfile.ZipFile(path) as read:
        assert read.namelist() == names
        assert read.testzip() is None


def test_programs_read_names_in_every_script(tmp_path: Path, long: bool) -> None:
    count = 10_000 if long else 70
    names = [f"{SCRIPTS[n % len(SCRIPTS)]}/{n} {SCRIPTS[-1 - n % len(SCRIPTS)]}.txt" for n in range(count)]
    path = tmp_path / "a.zip"
    path.write_bytes(archive(list(map(entry, names))))
    assert_readers_accept(path, names)
    run("bsdtar", "-xf", str(path), "-C", str(tmp_path))
    assert all((tmp_path / name).read_bytes() == b"abc" for name in names)


def test_archive_can_be_read_as_it_comes() -> None:
    made = archive([entry("a"), entry("b/c")])
    shown = subprocess.run(["bsdtar", "-tf", "-"], input=made, capture_output=True, check=True)
    assert shown.stdout.split() == [b"a", b"b/c"]


def test_times_are_told_with_and_without_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([entry("a"), entry("old", modified=datetime(1970, 1, 1, tzinfo=UTC))]))
    with zipfile.ZipFile(path) as read:
        assert [info.date_time for info in read.infolist()] == [(2026, 1, 2, 3, 4, 6), (1980, 1, 1, 0, 0, 0)]
    run("bsdtar", "-xpf", str(path), "-C", str(tmp_path))  # -p: or the umask counts, unless root runs it
    assert (tmp_path / "a").stat().st_mtime == MOMENT.timestamp()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("count", [0, 65_534, 65_535, 65_536])
def test_length_is_right_where_the_number_of_entries_needs_zip64(count: int) -> None:
    made = archive([entry(str(number), 0) for number in range(count)], lambda _: io.BytesIO(b""))
    with zipfile.ZipFile(io.BytesIO(made)) as read:
        assert len(read.namelist()) == count


class Zeros(io.RawIOBase):
    """So many zeros, of which none is kept."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        taken = min(size, self.left)
        self.left -= taken
        return bytes(taken)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4 * GIB + 1, 5), (3 * GIB, 2 * GIB, 7)])
def test_programs_read_an_archive_of_more_than_four_gib(tmp_path: Path, sizes: tuple[int, ...], long: bool) -> None:
    entries = [entry(f"{number}.bin", size) for number, size in enumerate(sizes)]
    assert ZipStream(entries, lambda _: io.BytesIO()).length > sum(sizes) + len(sizes) * 100
    if not long:
        return
    sources: Iterator[int] = iter(sizes)
    stream = ZipStream(entries, lambda _: Zeros(next(sources)))  # type: ignore[arg-type, return-value]
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        for piece in stream:
            if any(piece):
                file.write(piece)
            else:
                file.seek(len(piece), os.SEEK_CUR)
    assert path.stat().st_size == stream.length
    assert_readers_accept(path, [each.name for each in entries])


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd", None])
def test_entry_that_is_not_what_was_promised_ends_the_archive(content: bytes | None) -> None:
    def open_source(name: str) -> BinaryIO:
        if name == "b" and content is None:
            raise FileNotFoundError
        return io.BytesIO(content if name == "b" and content is not None else b"abc")

    pieces: list[bytes] = []
    with pytest.raises(EntryGoneError, match="b"):
        pieces.extend(ZipStream([entry("a"), entry("b"), entry("c")], open_source))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


def test_one_source_is_open_at_a_time() -> None:
    opened: list[BinaryIO] = []

    def open_source(_: str) -> BinaryIO:
        assert all(source.closed for source in opened)
        opened.append(io.BytesIO(b"abc"))
        return opened[-1]

    archive([entry("a"), entry("b")], open_source)
    assert all(source.closed for source in opened)


def test_small_entries_are_sent_together() -> None:
    assert len(list(ZipStream([entry(str(number)) for number in range(100)], lambda _: io.BytesIO(b"abc")))) == 1
