"""A real nginx in front of a real service, as deploy/nginx.conf has it, on ports and folders of a test's own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.service import ROOT, free_port, wait_briefly

PROGRAM = "nginx"
START_SECONDS = 10
STOP_SECONDS = 30

# What a service needs to hand its downloads to nginx, and to take uploads from it.
OFFLOAD = {
    "DOWNLOAD_OFFLOAD": "nginx",
    "UPLOAD_OFFLOAD": "nginx",
    "OFFLOAD_SECRET": "what-nginx-and-the-service-share",
}

DEPLOY = ROOT / "deploy"

LEAST_SPOOLED = 100_000
"""The least bytes of a body for which nginx asks first; what is smaller it passes on when it is there."""

# What nginx sent, and how often it asked the service for it: again, where it could not open the file that it was named.
ACCESS_LOG = "log_format carried '$status $uri after $upstream_status'; access_log {directory}/access.log carried;"


class Service(Protocol):
    """What nginx stands in front of."""

    @property
    def port(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def storage_path(self) -> Path: ...
    @property
    def environment(self) -> Mapping[str, str]: ...


class NginxGateway:
    """nginx on a free port of this machine, in front of `service`; all that it writes goes under `directory`.

    It asks the service at `service_port`, where something else may listen in between. Skips the test where nginx is not
    installed. Use as a context, or `start` and `stop`.
    """

    user: int | None = None
    """Who its processes are, by number; only root can make it another than the test's."""

    def __init__(self, service: Service, directory: Path, *, service_port: int | None = None) -> None:
        self.service = service
        self.service_port = service_port or service.port
        self.directory = directory
        self.port, self.own_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "NginxGateway":
        """Start and wait until it accepts connections; raises `RuntimeError` with its log when it does not."""
        nginx = installed()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "nginx.conf").write_text(self.configuration())
        (self.directory / "storage.conf").write_text(self.place())
        if self.user is not None:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, self.user, self.user)
        self.process = subprocess.Popen(self.command(nginx), user=self.user, group=self.user)
        self._wait_until_it_accepts()
        return self

    def command(self, nginx: str) -> list[str]:
        directory = str(self.directory)
        return [nginx, "-p", directory, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"]

    def configuration(self) -> str:
        """Return the shipped file with what differs here from where it is meant to run."""
        # As root, nginx would let its workers be somebody who may not read the store.
        user = "user root;\n" if os.geteuid() == 0 and self.user is None else ""
        return (
            user
            + "daemon off;\n"
            + replaced(
                (DEPLOY / "nginx.conf").read_text(),
                {
                    "listen 8080;": f"listen 127.0.0.1:{self.port};",
                    "127.0.0.1:8081": f"127.0.0.1:{self.own_port}",
                    "/data/storage/": f"{self.service.storage_path}/",
                    "/tmp/nginx": f"{self.directory}/nginx",
                    "error_log stderr;": f"error_log {self.directory}/error.log;",
                    "access_log off;": ACCESS_LOG.format(directory=self.directory),
                },
            )
        )

    def place(self) -> str:
        """Return what the container makes of the template."""
        return replaced(
            (DEPLOY / "storage.conf.template").read_text(),
            {
                "${STORAGE_ADDRESS}": f"127.0.0.1:{self.service_port}",
                "${OFFLOAD_SECRET}": self.service.environment.get("OFFLOAD_SECRET", ""),
            },
        )

    def stop(self) -> None:
        """End it once the requests in progress are answered."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.terminate()  # at once; its workers end with it
            self.process.wait(STOP_SECONDS)
            raise

    def log(self) -> str:
        path = self.directory / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def carried(self) -> int:
        """Count the answers whose bytes nginx itself took from the store; all of them once it has stopped."""
        lines = (self.directory / "access.log").read_text().splitlines()
        return sum(re.fullmatch(r"20[06] /_?blobs/\S+ after 200", line) is not None for line in lines)

    def _wait_until_it_accepts(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.process is not None and self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                wait_briefly()
        self.stop()
        raise RuntimeError(f"nginx did not start:\n{self.log()}")

    def __enter__(self) -> "NginxGateway":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class OneWorkerGateway(NginxGateway):
    """One worker, so that what came to nginx first is seen by it first."""

    def configuration(self) -> str:
        return replaced(super().configuration(), {"worker_processes auto;": "worker_processes 1;"})


def replaced(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        assert name in text, f"{name} is not there to be replaced"
        text = text.replace(name, value)
    return text


def installed() -> str:
    """Return where nginx is; skips the test where it is not installed."""
    # Debian puts it where only root looks.
    program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        pytest.skip(f"this needs Debian's package {PROGRAM}: apt-get install {PROGRAM}")
    return program
