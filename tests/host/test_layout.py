"""The layout of STORAGE_PATH: made where it is missing, and refused in one sentence where it cannot be made."""

import errno
import os
from pathlib import Path

import pytest

from storage_app.errors import StoreUnusable
from storage_app.host.layout import Layout, usable
from tests.support.disk import refuse

DIRECTORIES = ["alive", "intents", "lost+found", "resumable", "slots", "spool", "staging"]
PATHS = [name for name, value in vars(Layout).items() if isinstance(value, property) and not name.startswith("_")]


def below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_missing_directories_are_made_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "store"
    Layout(root).prepare()
    assert below(root) == [".system", *(f".system/{name}" for name in DIRECTORIES)]


def test_what_is_there_stays(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for _ in range(2):
        layout.prepare()
        (layout.staging / "file").write_bytes(b"kept")
    assert (layout.staging / "file").read_bytes() == b"kept"


@pytest.mark.parametrize("name", PATHS)
def test_everything_but_buckets_lies_under_system(tmp_path: Path, name: str) -> None:
    path = getattr(Layout(tmp_path), name)
    assert path == tmp_path / ".system" or path.parent == tmp_path / ".system"


def test_no_two_lie_at_one_place(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert len({getattr(layout, name) for name in PATHS}) == len(PATHS) > len(DIRECTORIES)


@pytest.mark.parametrize("taken", ["store", "store/.system", "store/.system/staging"])
def test_file_in_the_place_of_a_directory_is_refused(tmp_path: Path, taken: str) -> None:
    path = tmp_path / taken
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody's")
    with pytest.raises(StoreUnusable, match=f"STORAGE_PATH={tmp_path / 'store'} cannot be written"):
        Layout(tmp_path / "store").prepare()
    assert path.read_bytes() == b"somebody's"


def test_store_in_which_nothing_can_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All directories are there, so that only a file shows it."""
    Layout(tmp_path).prepare()
    with monkeypatch.context() as patched:
        refuse(patched, "open", errno.EROFS)
        with pytest.raises(StoreUnusable, match=os.strerror(errno.EROFS)):
            Layout(tmp_path).prepare()


def test_only_the_systems_refusals_are_translated(tmp_path: Path) -> None:
    with usable(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), usable(tmp_path):
        raise ZeroDivisionError
