"""The spool: what nginx left there is opened, whatever path it names; what nobody holds is removed."""

import os
import signal
import threading
from pathlib import Path

import pytest

from storage_app.errors import Unavailable
from storage_app.host.spool import Spool

NAME = "0000000042"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    (tmp_path / "secret").write_text("not a body")
    return directory


@pytest.fixture
def spool(directory: Path) -> Spool:
    return Spool(directory)


@pytest.mark.parametrize("path", [NAME, f"/elsewhere/spool/{NAME}", f"../../spool/{NAME}"])
def test_body_is_found_by_its_last_segment(spool: Spool, directory: Path, path: str) -> None:
    (directory / NAME).write_bytes(b"body")
    with spool.opened(path) as body:
        assert (body.read(), body.name) == (b"body", str(directory / NAME))


@pytest.mark.parametrize("path", ["", "/", "..", "../secret", "secret", f"{NAME}/", "1" * 21, "١", f"{NAME}\n"])
def test_nothing_else_is_opened(spool: Spool, directory: Path, path: str) -> None:
    (directory / "secret").write_text("no number")
    with pytest.raises(Unavailable, match="not where nginx was to leave it"), spool.opened(path):
        pass


def test_link_is_not_followed(spool: Spool, directory: Path) -> None:
    (directory / NAME).symlink_to("../secret")
    with pytest.raises(Unavailable), spool.opened(NAME):
        pass
    assert spool.collect() == 0


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_not_opened(spool: Spool, directory: Path, make: object) -> None:
    make(directory / NAME)  # type: ignore[operator]
    with pytest.raises(Unavailable), spool.opened(NAME):
        pass
    assert spool.collect() == 0


def make_old(path: Path) -> None:
    path.write_bytes(b"body")
    os.utime(path, (0, 0))


def test_sweep_of_what_cannot_be_listed_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no directory")
    assert Spool(tmp_path / "spool").collect() == 0


def test_sweep_removes_what_nobody_has_open(spool: Spool, directory: Path) -> None:
    abandoned, held, other = directory / "1", directory / "2", directory / "intents.txt"
    for path in (abandoned, held, other):
        make_old(path)
    (directory / "3").write_bytes(b"perhaps still told of")
    with held.open("r+b"):
        assert spool.collect() == 1
        assert sorted(path.name for path in directory.iterdir()) == ["2", "3", "intents.txt"]
    assert spool.collect() == 1
    assert sorted(path.name for path in directory.iterdir()) == ["3", "intents.txt"]


def test_sweep_of_a_spool_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert Spool(tmp_path / "none").collect() == 0
    assert Spool(tmp_path / "none").size() == 0


def test_who_opens_a_file_during_the_sweep_ends_nobody(spool: Spool, directory: Path) -> None:
    """Breaking a lease sends a signal, and the usual one would end the process."""
    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
    over = threading.Event()

    def open_again_and_again() -> None:
        while not over.is_set():
            for path in directory.iterdir():
                try:
                    path.open("rb").close()
                except FileNotFoundError:
                    continue

    opener = threading.Thread(target=open_again_and_again)
    opener.start()
    try:
        for number in range(2000):
            make_old(directory / str(number))
            spool.collect()
    finally:
        over.set()
        opener.join()
