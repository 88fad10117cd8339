"""How gunicorn serves: processes with threads, recovery before the first one, a mark after a clean end.

Addresses, counts and logging come from the settings. Reloading this file (SIGHUP) reads them again.
"""

import os
import sys
from pathlib import Path

from storage_app.errors import SettingsError
from storage_app.server.lifecycle import WORKERS, Lifecycle, Logger
from storage_app.settings import load_settings

ROOT = Path(__file__).resolve().parent

try:
    settings = load_settings()
except SettingsError as error:
    sys.exit(error.detail)
lifecycle = Lifecycle(settings)


wsgi_app = "wsgi:app"
chdir = str(ROOT)
bind = [f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"]

# Processes for the cores, threads for the clients: reading and writing bytes releases the interpreter's lock.
worker_class = WORKERS[settings.worker]
workers = settings.web_concurrency
threads = settings.threads
# Idle connections need no thread, so there may be many more of them; one more waits in the kernel's backlog.
worker_connections = 1000
# Each worker opens the store for itself: locks and database connections must not cross a fork.
preload_app = False

# Longer than the 60 s for which proxies and browsers keep idle connections, so that they close first.
keepalive = 75
# At a stop, transfers in progress get this long to end. Container engines must wait longer before they kill.
graceful_timeout = 30
# A worker whose main thread is silent this long is replaced. Slow clients hold other threads, so it is only for hangs.
timeout = 60
# Replacing a worker cuts its transfers longer than graceful_timeout, so this is for leaks of weeks, not of hours.
max_requests = 10_000_000
max_requests_jitter = 1_000_000

# gunicorn's largest, and nginx's default: the longest signed URL (a key of 1,024 bytes, percent-encoded) fits.
limit_request_line = 8190
limit_request_field_size = 8190

# Files leave by sendfile(2), whatever SENDFILE in the environment says. gunicorn 27 takes any value of its own setting
# `sendfile` for a no, even True.
raw_env = ["SENDFILE=true"]
# The heartbeat is a file's time stamp. In memory, a busy disk cannot make a healthy worker look dead.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# Nobody needs a second way in; by default gunicorn makes a socket in the home folder.
control_socket_disable = True

# Proxies are believed in one place, Werkzeug's ProxyFix, as TRUSTED_PROXIES says: gunicorn believes nobody.
forwarded_allow_ips = ""
forwarder_headers = ""

logger_class = Logger
loglevel = settings.log_level.lower()
# The application writes its own access lines, with the request's id and without tokens.
accesslog = None

on_starting = lifecycle.on_starting
post_fork = lifecycle.post_fork
post_worker_init = lifecycle.post_worker_init
worker_exit = lifecycle.worker_exit
on_exit = lifecycle.on_exit
