"""Copies of blobs on real file systems: each takes the first way that the file system has."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from storage_app.blobstore.filesystem import copying
from tests.support.disk import disk_of_kind, refuse, small_disk

DATA = os.urandom(100_000)
MOST_LINKS = 65_000  # of a file on ext4


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with an empty disk of each kind."""
    root = tmp_path_factory.mktemp("disks")
    with ExitStack() as stack:
        for kind in ("ext4", "btrfs", "xfs"):
            stack.enter_context(disk_of_kind(root / kind, kind))
        stack.enter_context(small_disk(root / "tmpfs", size="10m"))
        yield root


@pytest.fixture
def source(disks: Path, kind: str) -> Iterator[Path]:
    """A file on the disk of the `kind`."""
    path = disks / kind / "source"
    path.write_bytes(DATA)
    yield path
    for each in path.parent.glob("[sc]o*"):
        each.unlink()


CLONES, LINKS = ["btrfs", "xfs"], ["ext4", "tmpfs"]


@pytest.mark.parametrize("kind", CLONES)
def test_clone_is_a_file_of_its_own_that_takes_no_space(source: Path) -> None:
    copied = source.with_name("copied")
    assert copying.share(str(source), str(copied), os.unlink)
    assert copied.read_bytes() == DATA
    assert copied.stat().st_ino != source.stat().st_ino
    assert blocks_of(copied) == blocks_of(source)
    source.write_bytes(b"written in place, by hand")
    assert copied.read_bytes() == DATA


@pytest.mark.parametrize("kind", LINKS)
def test_file_is_linked_where_it_cannot_be_cloned(source: Path) -> None:
    copied = source.with_name("copied")
    assert copying.share(str(source), str(copied), os.unlink)
    assert copied.samefile(source)
    assert source.stat().st_nlink == 2


@pytest.mark.parametrize("kind", [*CLONES, *LINKS])
def test_missing_source_leaves_nothing(source: Path) -> None:
    copied = source.with_name("copied")
    with pytest.raises(FileNotFoundError):
        copying.share(f"{source}-missing", str(copied), os.unlink)
    assert not copied.exists()


@pytest.mark.parametrize("kind", [*CLONES, *LINKS])
def test_file_of_another_file_system_is_not_shared(source: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    assert not copying.share(str(source), str(copied), os.unlink)
    assert not copied.exists()
    assert copied_by_appending(source, copied) == DATA


@pytest.mark.parametrize("kind", ["ext4"])
def test_file_with_as_many_links_as_there_may_be_is_not_shared(source: Path) -> None:
    for number in range(1, MOST_LINKS):
        os.link(source, source.with_name(f"so{number}"))
    copied = source.with_name("copied")
    assert not copying.share(str(source), str(copied), os.unlink)
    assert not copied.exists()
    assert copied_by_appending(source, copied) == DATA


@pytest.mark.parametrize("kind", ["ext4"])
def test_file_that_may_not_be_linked_is_not_shared(source: Path) -> None:
    """The kernel says EPERM: the file is immutable. It says so, too, about the files of others."""
    copied = source.with_name("copied")
    subprocess.run(["chattr", "+i", source], check=True)
    try:
        assert not copying.share(str(source), str(copied), os.unlink)
        assert not copied.exists()
        assert copied_by_appending(source, copied) == DATA
    finally:
        subprocess.run(["chattr", "-i", source], check=True)


@pytest.mark.parametrize("kind", ["ext4"])
def test_other_errors_are_raised(source: Path) -> None:
    with pytest.raises(FileExistsError):
        copying.share(str(source), str(source), os.unlink)
    assert source.read_bytes() == DATA


@pytest.mark.parametrize("kind", [*CLONES, *LINKS])
@pytest.mark.parametrize("refused", [None, errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM])
def test_appended_bytes_are_those_of_the_source(
    source: Path, refused: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the kernel copies them, or refuses and they are read."""
    with monkeypatch.context() as patched:
        if refused is not None:
            refuse(patched, "copy_file_range", refused)
        assert copied_by_appending(source, source.with_name("copied")) == DATA


@pytest.mark.parametrize("kind", ["tmpfs"])
def test_bytes_are_read_where_the_kernel_copies_none(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some kernels do for files of some file systems, without an error."""
    monkeypatch.setattr("os.copy_file_range", lambda *_: 0)
    assert copied_by_appending(source, source.with_name("copied")) == DATA


@pytest.mark.parametrize("kind", ["tmpfs"])
def test_full_disk_is_an_error(source: Path) -> None:
    source.with_name("so large").write_bytes(bytes(10_300_000))
    with pytest.raises(OSError, match="No space left"):
        copied_by_appending(source, source.with_name("copied"))


def copied_by_appending(source: Path, target: Path) -> bytes:
    """Append the bytes of `source` to `target` in pieces, and return what is there then."""
    with source.open("rb") as opened, target.open("wb") as written:
        while copying.append(opened.fileno(), written.fileno(), 30_000):
            pass
    return target.read_bytes()


def blocks_of(path: Path) -> list[str]:
    """Return where on its disk the bytes of a file are."""
    shown = subprocess.run(["filefrag", "-s", "-v", path], capture_output=True, text=True, check=True).stdout
    found = [line.split(":")[2].strip() for line in shown.splitlines() if line.strip()[:1].isdigit()]
    assert found, shown
    return found
