"""How gunicorn serves: processes with threads, recovery before the first one, a mark after a clean end.

Addresses, counts and logging come from the settings. Reloading this file (SIGHUP) reads them again.
"""

import ctypes
import errno
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from gunicorn import glogging
from gunicorn.systemd import listen_fds

from storage_app import cli, create_app, logs
from storage_app.errors import SettingsError, StorageError
from storage_app.settings import load_settings
from storage_app.worker import Worker

ROOT = Path(__file__).resolve().parent
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
PR_SET_TIMERSLACK = 29  # <linux/prctl.h>
WORKER_BOOT_ERROR = 3  # gunicorn.arbiter.Arbiter: a worker with this exit code ends the server
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
ENDING_A_START = (*ENDING, signal.SIGHUP)

try:
    settings = load_settings()
except SettingsError as error:
    sys.exit(error.detail)


# One byte, for the first worker that cannot start. See give_up.
ticket, ticket_office = os.pipe()
os.set_blocking(ticket, False)
os.write(ticket_office, b"!")


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own lines, in the format of the application's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(settings.log_level, settings.log_format)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a failure with its trace; but a client that fell silent is no failure of ours."""
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client fell silent: %s", msg % args if args else msg)
        else:
            super().exception(msg, *args, **kwargs)


wsgi_app = "wsgi:app"
chdir = str(ROOT)
bind = [f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"]

# Processes for the cores, threads for the clients: reading and writing bytes releases the interpreter's lock.
worker_class = Worker
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


def on_starting(server: Any) -> None:
    """Check the address, then recover the store in a child, once, before any worker lives."""
    for number in ENDING_A_START:
        signal.signal(number, end)  # until gunicorn takes over: a signal ends the child, too
    check_addresses(server)
    status = in_a_child(recover)
    if status != 0:
        sys.exit(status if status > 0 else 1)  # it has said why
    keep_signals_over_fork()


def in_a_child(target: Callable[[], object]) -> int:
    """Return the exit code of `target`, run in a fork of this process: what it imports, starts and opens ends with it.

    A fork has imported already what a new interpreter would first have to read.
    """

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_A_START)
        target()

    child = multiprocessing.get_context("fork").Process(target=run)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_A_START)  # until it would end the child, too
    child.start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_A_START)
        child.join()
    except BaseException:
        child.kill()
        child.join()
        raise
    return child.exitcode or 0


def recover() -> None:
    """Do what `flask storage recover` does; exits as that does."""
    cli.run("recover", create_app(settings))


def end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def keep_signals_over_fork() -> None:
    """Let a worker that is not yet listening for signals end by them, too.

    It is forked with the handlers of gunicorn's master, which note a signal for the master. One that comes before the
    worker sets its own would be lost, and the stop would last as long as graceful_timeout.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ENDING),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING),
        after_in_child=end_by_signals,
    )


def end_by_signals() -> None:
    for number in ENDING:
        signal.signal(number, lambda *_: os._exit(0))  # nothing is open yet
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def check_addresses(server: Any) -> None:
    """Refuse an address that cannot be used in one sentence, and before anything is touched."""
    inherited = server.master_pid != 0 or listen_fds(unset_environment=False) > 0
    for address in server.cfg.address:
        if isinstance(address, tuple) and not inherited:
            check_address(*address)


def check_address(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sys.exit(f"Port {port} of {host} is in use by another program: stop that one, or set PORT to another.")
            sys.exit(f"Cannot listen on port {port} of {host} ({error.strerror}): set HOST and PORT to others.")


def post_fork(server: Any, worker: Any) -> None:
    """Let the worker keep the memory of the pieces of bodies that it reads, and have it woken when it asks for it.

    glibc takes pieces of more than 128 KiB from the kernel one by one, and gives back what is free at the end of a
    heap: page by page, that costs a fresh worker more than the bytes themselves. Linux lets a sleep of 20 microseconds,
    as there are between two looks at the index's lock, take 100, to wake processes together and save power.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # nanoseconds, for this thread and those that it makes
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024)
        libc.mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024)


def post_worker_init(worker: Any) -> None:
    """Open the store in the worker, after the fork.

    What keeps a recovered store from being opened passes: a full disk, a database server that is away. An order to end
    is carried out afterwards, which a silent database server delays by 10 s: on SIGINT and SIGQUIT gunicorn raises
    SystemExit, and in the middle of a transaction that is logged as an error. Threads that the store starts keep the
    signals blocked, and leave them to the main thread.
    """
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        worker.wsgi.extensions["storage"].start()
    except StorageError as error:
        worker.log.error("The store could not be opened yet: %s", error.detail)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def worker_exit(server: Any, worker: Any) -> None:
    """Close the store; runs in the worker, and in gunicorn's master for a worker found gone."""
    if worker.pid != os.getpid():
        return
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["storage"].stop()
    elif worker.alive:
        give_up()  # it could not load the application


def give_up() -> NoReturn:
    """End the server, because this worker cannot start; with any other exit code, gunicorn would try for ever.

    Only one worker says so: gunicorn 27, ending because of the first, dies with a traceback of the second.
    """
    try:
        os.read(ticket, 1)
    except BlockingIOError:
        sys.exit(1)
    sys.exit(WORKER_BOOT_ERROR)


def on_exit(server: Any) -> None:
    """Note that every worker ended in order, so that the next start need not look at every file."""
    from storage_app import maintenance

    try:
        maintenance.mark_clean_stop(settings.storage_path, index_url=settings.index_url)
    except (OSError, StorageError) as error:
        server.log.warning("The clean stop could not be noted, so the next start takes longer: %s", error)
