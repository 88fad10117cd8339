"""The service's own processes over a store: gunicorn as it is started in earnest, and the command that rebuilds."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dotenv import dotenv_values

from storage_app.settings import ROOT, SETTINGS

from .stores import MeasuredStore

HOST = "127.0.0.1"

_START_SECONDS = 600
_STOP_SECONDS = 60
_POLL_SECONDS = 0.005


class Service:
    """gunicorn over `store`, with two workers, in a session of its own; leaving the context kills what is left."""

    def __init__(self, store: MeasuredStore) -> None:
        self.store = store
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it answered. Raises `RuntimeError` when it does not."""
        self.port = _free_port()
        began = time.perf_counter()
        self._process = _run(
            ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
            {**self.store.environment, "HOST": HOST, "PORT": str(self.port), "WEB_CONCURRENCY": "2", "THREADS": "32"},
        )
        while not self._is_healthy():
            if self._process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                raise RuntimeError(f"The service over {self.store.path} did not start.")
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

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=60)

    def _is_healthy(self) -> bool:
        connection = self.connection()
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What one run of the command took."""

    seconds: float
    peak_mib: float


def wait_briefly() -> None:
    """Give up the processor for a moment between two looks at a condition."""
    threading.Event().wait(_POLL_SECONDS)


def rebuild(store: MeasuredStore, meanwhile: Callable[[], None] = wait_briefly) -> Rebuild:
    """Run `storage rebuild`, and `meanwhile` over and over until it ends. Raises `RuntimeError` when it fails."""
    began, peak = time.perf_counter(), 0
    process = _run(["flask", "--app", "wsgi", "storage", "rebuild"], store.environment)
    try:
        while process.poll() is None:
            peak = max(peak, _peak_kib(process.pid))
            meanwhile()
        seconds = time.perf_counter() - began
    finally:
        process.kill()  # does nothing when it has ended
        process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"The rebuild of {store.path} failed.")
    return Rebuild(seconds, peak / 1024)


def refuse_other_index() -> None:
    """Raise `ValueError` when `.env` would lead the processes to an index that is not a store's own."""
    if dotenv_values(ROOT / ".env").get("INDEX_URL"):
        raise ValueError("INDEX_URL is set in .env: take it out there, so that its database stays as it is.")


def _run(arguments: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    names = {name for setting in SETTINGS for name in (setting.name, setting.also)}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=inherited | dict(environment),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _peak_kib(pid: int) -> int:
    """Return the most memory that the process has had resident, 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
