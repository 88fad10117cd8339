"""Programs that serve while they are measured, and the Python that the project's own ones run in."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from storage_app.settings import ROOT, SETTINGS

HOST = "127.0.0.1"

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
_START_SECONDS = 600
_STOP_SECONDS = 60
_POLL_SECONDS = 0.005
_LOG_BYTES = 2000


class Server:
    """A program that serves at `port`, in a session of its own; leaving the context kills what is left of it.

    What it writes goes to the file `log`, or without one to where this process writes.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, port: int, environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self.name = name
        self.port = port
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it answered. Raises `RuntimeError` when it does not."""
        began = time.perf_counter()
        self._process = run(self._command, self._environment, self._log)
        while not self.answers():
            if self._process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise RuntimeError(f"{self.name} did not start. {self._last_words()}")
            wait_briefly()
        return time.perf_counter() - began

    def stop(self) -> None:
        """Stop it in order."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """End all its processes at once, as a crash does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_SECONDS)

    def answers(self) -> bool:
        """Tell whether it is ready to serve."""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def pids(self) -> Sequence[int]:
        """Return its process and all that it started."""
        return [] if self._process is None else list(_with_children(self._process.pid))

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-_LOG_BYTES:] if self._log else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def end_by_signals() -> None:
    """Have a signal end this program as an error does, with all that it started and made. It need not be sent twice."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> NoReturn:
    for each in _ENDING:
        signal.signal(each, lambda *_: None)
    sys.exit(128 + number)


def run(command: Sequence[str], environment: Mapping[str, str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program in the project's folder, without the settings of the service that this process was given."""
    names = {name for setting in SETTINGS for name in (setting.name, setting.also)}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    with open(log or os.devnull, "ab") as written:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=written if log else None,
            stderr=written if log else None,
            start_new_session=True,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_briefly() -> None:
    """Give up the processor for a moment between two looks at a condition."""
    threading.Event().wait(_POLL_SECONDS)


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _with_children(int(child))
