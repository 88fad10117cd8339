"""A real service: gunicorn with the project's own configuration, on a free port of this machine."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from storage_app.auth.credentials import SERVICE_ROLE, Logins
from tests.support.environment import clean_environment

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "a-secret-key-for-tests-of-32-bytes-or-more"
ANON_KEY = "an-anonymous-key-for-tests"
SERVICE_KEY = "a-service-key-of-32-characters-or-more"
BACKEND = {"X-API-Key": SERVICE_KEY}  # as the backend of SelfDB 0.05 sends it

START_SECONDS = 30
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def token(sub: str = "alice", *, service: bool = False, expires_in: int = 3600) -> str:
    """Make a login as the backend would."""
    role = SERVICE_ROLE if service else None
    return Logins(SECRET_KEY, "HS256", None).issue(sub, role=role, expires_in=expires_in)


def bearer(sub: str = "alice", *, service: bool = False) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(sub, service=service)}"}


class RunningService:
    """gunicorn over `storage_path`; `environment` adds settings. Use as a context, or `start` and `stop`."""

    application = "wsgi:app"
    prefix: tuple[str, ...] = ()  # what starts it
    worker = "scheduled"

    def __init__(self, storage_path: Path, **environment: str) -> None:
        self.storage_path = storage_path
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = storage_path.with_name(f"{storage_path.name}-{self.port}.log")
        self.environment = {
            "SECRET_KEY": SECRET_KEY,
            "ANON_KEY": ANON_KEY,
            "STORAGE_PATH": str(storage_path),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "BASE_URL": self.url,
            "STORAGE_SERVICE_PUBLIC_URL": self.url,
            "WORKER": self.worker,
            "WEB_CONCURRENCY": "2",
            "THREADS": "32",
            "MIN_FREE_BYTES": "0",
            "DURABILITY": "none",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningService":
        """Start and wait until it answers; raises `RuntimeError` with its log when it does not."""
        self.launch()
        try:
            self.wait_until_healthy()
        except BaseException:
            self.kill()  # no context would end it
            raise
        return self

    def launch(self) -> None:
        """Start without waiting."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", self.application],
                cwd=ROOT,
                env=clean_environment(self.environment),
                stdout=log,
                stderr=log,
            )

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                break
            if self._is_healthy():
                return
            wait_briefly()
        raise RuntimeError(f"the service did not start:\n{self.log()}")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """End it as an operator would, and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(sent)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End every process of it at once, as a crash would (kill -9)."""
        if self.process is not None:
            for pid in [self.process.pid, *self.worker_pids()]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.wait(STOP_SECONDS)

    def worker_pids(self) -> list[int]:
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def connection(self, timeout: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def path_of(self, url: str) -> str:
        """Return the path and query of one of the service's URLs."""
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _is_healthy(self) -> bool:
        connection = self.connection(timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __enter__(self) -> "RunningService":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def wait_briefly() -> None:
    """Give up the processor for a moment between two looks at a condition."""
    threading.Event().wait(0.02)
