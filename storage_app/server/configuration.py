"""The configuration of gunicorn: worker processes with threads, timeouts, and the hooks of the service."""

from typing import Any

from ..host.shared_memory import memory_folder
from ..settings import Settings
from . import counts
from .lifecycle import WORKERS, Lifecycle, Logger, max_connections, raise_descriptor_limit

# The values that no setting of the service changes.
FIXED: dict[str, Any] = {
    # Each worker opens the store for itself, because locks and database connections must not cross a fork.
    "preload_app": False,
    # Longer than the 60 s for which proxies and browsers keep idle connections, so that they close first.
    "keepalive": 75,
    # At a stop, transfers in progress have this long to finish. Container engines must wait longer before they kill.
    "graceful_timeout": 30,
    # A worker whose main thread sends no heartbeat for this long is replaced. Slow clients only hold other threads.
    "timeout": 60,
    # Replacing a worker cuts transfers longer than graceful_timeout, so it should be rare: a guard against slow leaks.
    "max_requests": 10_000_000,
    "max_requests_jitter": 1_000_000,
    # gunicorn's maximum. The longest signed URL fits: a key of 1,024 bytes, percent-encoded.
    "limit_request_line": 8190,
    # Upload-Metadata may have 16 KiB, and Upload-Concat the URLs of 1,000 parts. `heads` limits all headers together.
    "limit_request_field_size": 60 * 1024,
    "raw_env": [
        # Send files by sendfile(2), even if SENDFILE in the environment says no. gunicorn 27 understands any value of
        # its own setting `sendfile` as no, even True.
        "SENDFILE=true",
        # prometheus-client reads no other setting for it.
        f"PROMETHEUS_MULTIPROC_DIR={counts.directory.path}",
    ],
    # The heartbeat is the time stamp of a file. In memory, no busy disk can make a healthy worker look dead.
    "worker_tmp_dir": memory_folder(),
    # By default gunicorn creates a control socket in the home folder, which nothing needs here.
    "control_socket_disable": True,
    # Proxies are trusted in one place, Werkzeug's ProxyFix, as TRUSTED_PROXIES says. gunicorn trusts none.
    "forwarded_allow_ips": "",
    "forwarder_headers": "",
    "logger_class": Logger,
    # The application writes its own access log, with request ids and without tokens.
    "accesslog": None,
}


def configuration(settings: Settings) -> dict[str, Any]:
    """Return gunicorn's settings by their names, and let this process open as many files as it may."""
    lifecycle = Lifecycle(settings)
    return FIXED | {
        "bind": [_address(settings.host, settings.port)],
        # Processes use the cores, and threads serve the clients: I/O releases the interpreter's lock.
        "worker_class": WORKERS[settings.worker],
        "workers": settings.web_concurrency,
        "threads": settings.threads,
        # Idle connections need no thread, so there may be many more of them. Beyond that, the idle ones are closed.
        "worker_connections": max_connections(raise_descriptor_limit(), settings.threads),
        "loglevel": settings.log_level.lower(),
        "on_starting": lifecycle.on_starting,
        "when_ready": lifecycle.when_ready,
        "pre_fork": lifecycle.pre_fork,
        "post_fork": lifecycle.post_fork,
        "post_worker_init": lifecycle.post_worker_init,
        "pre_request": lifecycle.pre_request,
        "post_request": lifecycle.post_request,
        "worker_exit": lifecycle.worker_exit,
        "child_exit": lifecycle.child_exit,
        "on_exit": lifecycle.on_exit,
    }


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
