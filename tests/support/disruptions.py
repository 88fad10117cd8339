"""What can happen to a running service between two requests, or in the middle of one, and its way back to order."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.environment import clean_environment
from tests.support.raw_http import left_behind
from tests.support.service import ROOT, RunningService, bearer, wait_briefly

SECONDS_TO_PUT_RIGHT = 30


def restart(running: RunningService) -> None:
    running.stop()
    running.start()


def kill_all(running: RunningService) -> None:
    running.kill()
    running.start()


def kill_one(running: RunningService) -> None:
    """Kill a worker: the one that is taking bytes in, if one is."""
    pids = running.worker_pids()
    victim = next((pid for pid in pids if takes_bytes_in(running, pid)), pids[0])
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in running.worker_pids())


def lose_the_index(running: RunningService) -> None:
    running.stop()
    forget_the_index(running)
    running.start()


def rebuild(running: RunningService) -> None:
    running.stop()
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "storage", "rebuild"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(running.environment), capture_output=True, check=True)
    running.start()


DISRUPTIONS: dict[str, Callable[[RunningService], None]] = {
    function.__name__: function for function in (restart, kill_all, kill_one, lose_the_index, rebuild)
}


def forget_the_index(stopped: RunningService) -> None:
    """Remove the database of a service that does not run, with everything that belongs to it."""
    for path in (stopped.storage_path / ".system").glob("index.sqlite3*"):
        path.unlink()


@contextmanager
def begin_upload(running: RunningService, path: str) -> Iterator[None]:
    """Send half a file; the rest never comes."""
    head = [f"PUT {path} HTTP/1.1", "Host: localhost", "Content-Length: 200000"]
    head += [f"{name}: {value}" for name, value in bearer().items()]
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + b"z" * 100_000)
        wait_until(lambda: any(takes_bytes_in(running, pid) for pid in running.worker_pids()))
        yield


def takes_bytes_in(running: RunningService, pid: int) -> bool:
    """Whether the process has a staged file open."""
    staging = running.storage_path / ".system" / "staging"
    with suppress(FileNotFoundError):  # of a process, or a file of it, that has gone meanwhile
        return any(path.readlink().is_relative_to(staging) for path in Path(f"/proc/{pid}/fd").iterdir())
    return False


def leftovers(running: RunningService) -> list[str]:
    """Name what unfinished writes have left, while the service may be recovering it."""
    try:
        return left_behind(running)
    except FileNotFoundError:
        return ["a directory that is being removed"]


def wait_until(holds: Callable[[], bool], otherwise: Callable[[], object] = lambda: None) -> None:
    """Wait for as long as recovery may take; `otherwise` says what there was instead."""
    deadline = time.monotonic() + SECONDS_TO_PUT_RIGHT
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        wait_briefly()
