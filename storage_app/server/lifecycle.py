"""gunicorn's hooks: the start and the stop of the service, and of each worker.

Recovery runs once, in a child of gunicorn's master, before the first worker. Each worker opens the store for itself
after its fork. If every worker has ended in order, the stop is marked as clean.
"""

import ctypes
import errno
import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, NoReturn

from gunicorn import glogging
from gunicorn.systemd import listen_fds

from .. import logs
from ..api.lanes import finder
from ..cli.recovery import recover_at_a_start
from ..errors import StorageError
from ..host import clients
from ..host.files import keep_private
from ..host.memory import end_without_collection
from ..maintenance.recover import mark_clean_stop
from ..metrics import shared
from ..settings import Settings
from ..version import __version__
from . import bad_requests, counts
from .connection import ConnectionRules
from .places import places
from .worker import Worker

WORKERS = {"scheduled": "storage_app.server.worker.Worker", "gthread": "gthread"}

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
ARENAS = 2
MAX_CONNECTIONS = 1000  # idle ones need no thread
OWN_DESCRIPTORS = 64  # of a worker: its sockets, logs, locks
REQUEST_DESCRIPTORS = 6  # an upload opens two files and a lock, and the connection to a SQLite index three
SPARE = 4  # one thread of so many never waits for a client
PR_SET_TIMERSLACK = 29  # <linux/prctl.h>
WORKER_BOOT_ERROR = 3  # gunicorn.arbiter.Arbiter: a worker with this exit code ends the server
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
ENDING_A_START = (*ENDING, signal.SIGHUP)


def raise_descriptor_limit() -> int:
    """Let each process of the service open as many files as the system allows it to. Return the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def max_connections(descriptors: int, threads: int) -> int:
    """Return how many connections a worker may have, so that its requests can still open their files."""
    return max(threads + 1, min(MAX_CONNECTIONS, descriptors - OWN_DESCRIPTORS - threads * REQUEST_DESCRIPTORS))


def places_for(threads: int) -> int:
    """Return how many threads of a worker may wait for clients: three of four, and not the last one of several."""
    return max(1, threads - max(1, threads // SPARE))


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger, in the format of the application's."""

    settings: ClassVar[Settings]

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(self.settings.log_level, self.settings.log_format)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a message, without the addresses: `Lifecycle.when_ready` logs them, with the version."""
        if not msg.startswith("Listening at"):
            super().info(msg, *args, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a warning, unless it quotes a request that was refused, with its credential: `bad_requests` logs that."""
        if not msg.startswith("Invalid request from"):
            super().warning(msg, *args, **kwargs)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a message, without the bytes of a client that disconnected: they may hold its credential."""
        if msg == "Ignored premature client disconnection. %s":
            msg, args = "Ignored premature client disconnection.", ()
        super().debug(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log a failure with its traceback. A client that fell silent is no failure, and is logged at DEBUG."""
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client fell silent: %s", msg % args if args else msg)
        else:
            super().exception(msg, *args, **kwargs)


class Lifecycle:
    """gunicorn's hooks for a service with these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        Logger.settings = settings
        end_without_collection()  # the master, which does not create the application
        # One byte, for the first worker that cannot start. See `_give_up`.
        self._ticket, ticket_office = os.pipe()
        os.set_blocking(self._ticket, False)
        os.write(ticket_office, b"!")

    def on_starting(self, server: Any) -> None:
        """Check the addresses, then recover the store once, in a child, before any worker exists."""
        for number in ENDING_A_START:
            signal.signal(number, _end)  # until gunicorn installs its own; a signal ends the child too
        check_addresses(server)
        keep_private()  # the master marks a clean stop
        status = in_a_child(self.recover)
        if status != 0:
            sys.exit(status if status > 0 else 1)  # the child has said why
        counts.directory.create()
        keep_signals_over_fork()

    def recover(self) -> None:
        """Make the store ready to serve, and exit with 1 if that fails. The log has the reason."""
        logs.configure(self.settings.log_level, self.settings.log_format)
        sys.exit(recover_at_a_start(self.settings))

    def when_ready(self, server: Any) -> None:
        """Log the version and the addresses, now that the sockets listen."""
        server.log.info("SelfDB storage %s listens on %s", __version__, ", ".join(map(str, server.LISTENERS)))

    def pre_fork(self, server: Any, worker: Any) -> None:
        """Number the worker, and keep its garbage collector from what it shares with its master.

        A collection writes to each object that it looks at, and so takes a copy of its page, some 10 MiB in all.
        """
        counts.prepare(server, worker)
        gc.freeze()

    def post_fork(self, _server: Any, worker: Any) -> None:
        """Make the worker share its counts, reuse the memory of body pieces, and wake on time from short sleeps.

        glibc maps each block of more than 128 KiB from the kernel, and returns free memory at the end of a heap. The
        page faults cost a fresh worker more than the bytes themselves. By default, glibc also gives each thread a heap
        of its own, up to eight for each core, and all of them keep what one page of a list took.

        Linux may stretch a sleep of 20 microseconds, such as between two tries for the index's lock, to 100, because
        waking processes together saves power.
        """
        shared.share(worker.number)
        libc = ctypes.CDLL(None)
        if hasattr(libc, "prctl"):
            libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # nanoseconds, for this thread and those that it starts
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_ARENA_MAX, ARENAS)
            libc.mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024)
            libc.mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024)

    def post_worker_init(self, worker: Any) -> None:
        """Open the store in the worker, after the fork.

        If the store cannot be opened, every request tries again, because a full disk or an absent database server may
        come back. Signals to end are blocked meanwhile, for up to 10 s if a database server is silent: on SIGINT and
        SIGQUIT gunicorn raises SystemExit, which would be logged as an error in the middle of a transaction. Threads
        that the store starts keep the signals blocked, and leave them to the main thread.
        """
        bad_requests.answer_as_the_application()
        places.limit(places_for(self.settings.threads))
        clients.install(places)
        worker.wsgi.wsgi_app = ConnectionRules(worker.wsgi.wsgi_app, lingers=isinstance(worker, Worker))
        if isinstance(worker, Worker):
            worker.lane_of = finder(worker.wsgi)
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            counts.begin(worker.wsgi)
            worker.wsgi.extensions["storage"].start()
        except StorageError as error:
            worker.log.error("The store could not be opened yet: %s", error.detail)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def pre_request(self, _worker: Any, request: Any) -> None:
        """Adjust a request that gunicorn has parsed.

        A later minor version of HTTP/1 is answered as HTTP/1.1 (RFC 9110 section 2.5). `100 Continue` is sent when the
        body is wanted, and not before the request may be refused (RFC 9110 section 10.1.1).
        """
        request.version = min(request.version, (1, 1))
        request._expected_100_continue = False  # noqa: SLF001
        request.body.end_connection = request.force_close

    def post_request(self, _worker: Any, _request: Any, _environ: Any, _response: Any) -> None:
        """Give up the place of the request that has ended in this thread. gunicorn calls this in every case."""
        places.end()

    def child_exit(self, _server: Any, worker: Any) -> None:
        """Forget the state of a worker that has ended, however it did. gunicorn calls this in its master."""
        counts.forget(worker)

    def worker_exit(self, _server: Any, worker: Any) -> None:
        """Close the store. gunicorn calls this in the worker or, for a worker that it found dead, in its master."""
        if worker.pid != os.getpid():
            return
        application = getattr(worker, "wsgi", None)
        if application is not None:
            application.extensions["storage"].stop()
        elif worker.alive:
            self._give_up()  # it could not load the application

    def _give_up(self) -> NoReturn:
        """End the server, because this worker cannot start. With any other exit code, gunicorn would retry forever.

        Only one worker does so: gunicorn 27, ending because of the first, dies with a traceback of the second.
        """
        try:
            os.read(self._ticket, 1)
        except BlockingIOError:
            sys.exit(1)
        sys.exit(WORKER_BOOT_ERROR)

    def on_exit(self, server: Any) -> None:
        """Mark the stop as clean, so that the next start need not rebuild the index after a reboot."""
        try:
            mark_clean_stop(self.settings.storage_path, index_url=self.settings.index_url)
        except (OSError, StorageError) as error:
            server.log.warning("The stop could not be marked as clean, so the next start takes longer: %s", error)


def in_a_child(target: Callable[[], object]) -> int:
    """Run `target` in a fork of this process and return the exit code, which is negative if a signal killed it.

    All that `target` imports, starts and opens ends with the fork. A new interpreter would have to import everything
    again.
    """

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_A_START)
        target()

    child = multiprocessing.get_context("fork").Process(target=run)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_A_START)  # until a signal would end the child too
    child.start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_A_START)
        child.join()
    except BaseException:
        child.kill()
        child.join()
        raise
    return child.exitcode or 0


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def keep_signals_over_fork() -> None:
    """Make each worker end on a signal that comes before it has installed its own handlers.

    A fork inherits the handlers of gunicorn's master, which queue a signal for the master. In the worker that signal
    would be lost, and the stop would take all of graceful_timeout.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ENDING),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING),
        after_in_child=end_by_signals,
    )


def end_by_signals() -> None:
    """End this process at once on each signal to end."""
    for number in ENDING:
        signal.signal(number, lambda *_: os._exit(0))  # nothing is open yet
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def check_addresses(server: Any) -> None:
    """Exit with one sentence if an address cannot be used, before anything is touched. Skip inherited sockets."""
    inherited = server.master_pid != 0 or listen_fds(unset_environment=False) > 0
    for address in server.cfg.address:
        if isinstance(address, tuple) and not inherited:
            check_address(*address)


def check_address(host: str, port: int) -> None:
    """Exit with one sentence if `host` and `port` cannot be bound."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sys.exit(f"Port {port} of {host} is in use by another program: stop that one, or set PORT to another.")
            sys.exit(f"Cannot listen on port {port} of {host} ({error.strerror}): set HOST and PORT to others.")
