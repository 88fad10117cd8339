"""A directory in memory ends with its processes: at their end, or at the next start if they were killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.host import shared_memory
from storage_app.host.shared_memory import SharedMemory
from tests.support.checkout import ROOT

_OWNER = """if True:
    import os, signal, sys
    from pathlib import Path
    from storage_app.host.shared_memory import SharedMemory
    made = SharedMemory("counts", Path(sys.argv[1]))
    made.create()
    (made.path / "file").touch()
    print(made.path, flush=True)
    if os.fork() == 0:
        sys.exit()  # in order, as a worker ends
    os.wait()
    print(made.path.exists(), flush=True)
    sys.stdin.read()
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


class Owner:
    """Another process with a directory, which ends when it is told to."""

    def __init__(self, folder: Path, end: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(folder), end],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.path = Path(self._process.stdout.readline().strip())
        self.outlived_its_fork = self._process.stdout.readline() == "True\n"

    def end(self) -> None:
        self._process.communicate(timeout=30)


def test_directory_is_private_and_ends_with_its_owner(tmp_path: Path) -> None:
    owner = Owner(tmp_path, "in order")
    mode = owner.path.stat().st_mode
    owner.end()

    assert oct(mode & 0o777) == "0o700"
    assert owner.outlived_its_fork
    assert list(tmp_path.iterdir()) == []


def test_directory_of_a_killed_process_is_removed_by_the_next_start(tmp_path: Path) -> None:
    killed = Owner(tmp_path, "killed")
    killed.end()
    assert killed.path.exists()
    own = SharedMemory("counts", tmp_path)
    own.create()

    assert list(tmp_path.iterdir()) == [own.path]
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_directories_in_use_and_those_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "others-1").mkdir()
    (tmp_path / "counts-file").touch()
    living = Owner(tmp_path, "in order")
    own = SharedMemory("counts", tmp_path)
    own.create()

    assert {path.name for path in tmp_path.iterdir()} == {"others-1", "counts-file", own.path.name, living.path.name}
    own.remove()
    living.end()
    assert {path.name for path in tmp_path.iterdir()} == {"others-1", "counts-file"}


@pytest.mark.parametrize("least", [0, 2**62])
def test_memory_without_room_is_none(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(shared_memory, "_LEAST_BYTES", least)
    assert shared_memory.memory_folder() == (None if least else "/dev/shm")
