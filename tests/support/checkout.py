"""A copy of the working tree to run the scripts in, and processes whose output and end are waited for."""

import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.support.environment import environment_of_a_checkout

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".env", "data", "*_cache", "__pycache__", ".coverage*", ".hypothesis"
)


def copy_checkout(folder: Path) -> Path:
    """Copy what a fresh clone would have."""
    return shutil.copytree(ROOT, folder, ignore=NOT_COPIED)


class Running:
    """A command in a session of its own. Leaving the context ends all of it, however the test ended."""

    def __init__(self, *command: str | Path, cwd: Path, **environ: str) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment_of_a_checkout() | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def alive(self) -> bool:
        """Whether any process of the session's group lives: our child, or what it left behind."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def read_until(self, text: str, *, seconds: float = 60) -> str:
        """Wait for the text in stdout or stderr; returns the output so far."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self._read(deadline), f"ended, or {seconds} s passed, without {text!r}:\n{self.output}"
        return self.output

    def end(self, number: int | None = None, *, everybody: bool = False, seconds: float = 60) -> int:
        """Send the signal, if any, to the command or, as a terminal does, to everybody in its group.

        Waits until nobody holds the output any more; returns the command's exit code.
        """
        if number is not None:
            (os.killpg if everybody else os.kill)(self.process.pid, number)
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Read what there is; False at the end of the output or of the time."""
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
        self.output += data.decode()
        return bool(data)
