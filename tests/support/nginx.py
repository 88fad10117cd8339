"""A real nginx in front of a real service: it carries the bytes of downloads, and passes everything else on."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.service import RunningService, free_port, wait_briefly

PROGRAM = "nginx"
START_SECONDS = 10
STOP_SECONDS = 30

# What a service needs to hand its downloads to nginx.
OFFLOAD = {"DOWNLOAD_OFFLOAD": "nginx", "OFFLOAD_SECRET": "what-nginx-and-the-service-share"}

# nginx drops these from an answer that it is told to carry, unless it is told to add them again.
KEPT_HEADERS = (
    "ETag",
    "Last-Modified",
    "Vary",
    "Repr-Digest",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Request-ID",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
)

CONFIGURATION = """
{user}
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
  log_format carried '$status $uri';
  access_log {directory}/access.log carried;
  client_body_temp_path {directory}/bodies;
  proxy_temp_path {directory}/answers;
  fastcgi_temp_path {directory}/unused;
  uwsgi_temp_path {directory}/unused;
  scgi_temp_path {directory}/unused;
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    large_client_header_buffers 4 16k;
    location / {{
      proxy_pass http://127.0.0.1:{service_port};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Offload-Secret "{secret}";
    }}
    location /_blobs/ {{
      internal;
      alias {store}/;
      etag off;
      if_modified_since off;
      {kept_headers}
    }}
  }}
}}
"""


class NginxGateway:
    """nginx on a free port of this machine, in front of `service`; all that it writes goes under `directory`.

    It asks the service at `service_port`, where something else may listen in between. Skips the test where nginx is not
    installed. Use as a context, or `start` and `stop`.
    """

    def __init__(self, service: RunningService, directory: Path, *, service_port: int | None = None) -> None:
        self.service = service
        self.service_port = service_port or service.port
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "NginxGateway":
        """Start and wait until it accepts connections; raises `RuntimeError` with its log when it does not."""
        program = installed()
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "nginx.conf"
        configuration.write_text(self.configuration())
        log = self.directory / "error.log"
        self.process = subprocess.Popen([program, "-p", self.directory, "-e", log, "-c", configuration])
        self._wait_until_it_accepts()
        return self

    def configuration(self) -> str:
        return CONFIGURATION.format(
            # As root, nginx would let its workers be somebody who may not read the store.
            user="user root;" if os.geteuid() == 0 else "",
            directory=self.directory,
            port=self.port,
            service_port=self.service_port,
            secret=self.service.environment.get("OFFLOAD_SECRET", ""),
            store=self.service.storage_path,
            kept_headers="\n      ".join(
                f"add_header {name} $upstream_http_{name.lower().replace('-', '_')};" for name in KEPT_HEADERS
            ),
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
        return sum(line.startswith(("200 /_blobs/", "206 /_blobs/")) for line in lines)

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


def installed() -> str:
    """Return where nginx is; skips the test where it is not installed."""
    # Debian puts it where only root looks.
    program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        pytest.skip(f"this needs Debian's package {PROGRAM}: apt-get install {PROGRAM}")
    return program
