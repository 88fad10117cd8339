"""gunicorn's worker, with one thread that looks after all busy connections: the leader.

gunicorn's main thread hands each request to a thread of the pool, and takes the connection back afterwards. The way
there and back, through two locks and a pipe, costs as much as a small request itself. Here a leader waits for the next
request of every busy connection, and answers it itself. When it must wait for something else than the processor, or
takes very long, another thread of the pool leads on; and who has answered a request while nobody leads is the next
(D. C. Schmidt et al., "Leader/Followers", 2000). The main thread accepts connections, keeps the idle ones, and watches.
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.workers import gthread

from .socket_body import SocketBody
from .turns import TURN_SECONDS, turns

# Who asks again sooner is answered by the leader, without the main thread.
_BUSY_SECONDS = 1.0
# How long the leader waits before it looks whether there still is a connection to wait for.
_POLL_SECONDS = 0.1
# A request's head is sent at once; who stops in the middle of it gives the thread back.
_HEAD_SECONDS = 10
# How much is read with a head: most heads, and with many a small body, too.
_HEAD_BYTES = 32 * 1024

# A worker that has taken many connections leaves the next one to others for a moment.
_MANY = 50
_FORBEARANCE_SECONDS = 0.00002

_ONCE_READABLE = select.EPOLLIN | select.EPOLLONESHOT
_APPOINTED = -1  # no thread's identifier: one was asked to come


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gthread worker in which requests take turns, and a leader answers most of them."""

    def init_process(self) -> None:
        self._resting = Resting()
        self._leadership = Leadership(self._resting.is_empty, lambda: self.tpool.submit(self._lead))
        turns.when_given_up(self._leadership.give_up)
        super().init_process()

    # In the main thread

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless another worker does, which has fewer and so waits less: all are woken by it."""
        time.sleep(min(self.nr_conns, _MANY) * _FORBEARANCE_SECONDS)
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Take care of a connection that is new, or whose client has sent something."""
        if not conn.initialized:
            conn.init()
            # `handle` calls it before each request, and lets the socket wait for ever before; the application sets its
            # own bound for the body.
            conn.init = partial(conn.sock.settimeout, _HEAD_SECONDS)
            conn.parser.unreader.mxchunk = _HEAD_BYTES
        self._resting.add(conn)
        self._leadership.fill()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what gunicorn's loop does, and see to the leader."""
        is_busy = self.nr_conns > len(self.keepalived_conns) + len(self.pending_conns)
        super().wait_for_and_dispatch_events(min(timeout, TURN_SECONDS) if is_busy else timeout)
        self._leadership.replace_stuck()
        if not self.alive:
            self._give_back(time.monotonic())

    # In the threads of the pool

    def handle_request(self, req: Any, conn: Any) -> Any:
        if isinstance(req.body.reader, LengthReader):
            req.body = SocketBody(req.unreader, req.body.reader.length)
        turns.begin()
        try:
            return super().handle_request(req, conn)
        finally:
            turns.end()

    def _lead(self) -> None:
        """Answer requests as they come, until another thread leads or no connection is busy."""
        while self._leadership.take():
            conn = self._resting.next(_POLL_SECONDS)
            if conn is not None:
                self._leadership.turn_to_request()
                self._serve(conn)
            if self.alive:
                self._give_back(time.monotonic() - _BUSY_SECONDS)

    def _serve(self, conn: Any) -> None:
        served: Future[Any] = Future()
        try:
            served.set_result(self.handle(conn))
        except BaseException as error:  # noqa: BLE001  what handles it is in the main thread
            served.set_exception(error)
        if served.exception() is None and served.result() is True and self.alive:
            self._resting.add(conn)
        else:
            self.method_queue.defer(self.finish_request, conn, served)

    def _give_back(self, until: float) -> None:
        """Let the main thread keep the connections that have rested since `until`."""
        for conn in self._resting.remove(until):
            kept: Future[bool] = Future()
            kept.set_result(True)
            self.method_queue.defer(self.finish_request, conn, kept)


class Resting:
    """Busy connections between two requests. One thread at a time waits for the `next`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._since: dict[int, tuple[Any, float]] = {}  # by descriptor, first who has rested longest
        self._ready: deque[Any] = deque()

    def add(self, conn: Any) -> None:
        if conn.parser.unreader.buf.getvalue():  # the next request came with the one before
            self._ready.append(conn)
            return
        descriptor = conn.sock.fileno()
        self._since[descriptor] = conn, time.monotonic()
        try:
            self._epoll.modify(descriptor, _ONCE_READABLE)
        except FileNotFoundError:
            self._epoll.register(descriptor, _ONCE_READABLE)

    def next(self, timeout: float) -> Any:
        """Return a connection whose client has sent something or gone, in the order of that; None after `timeout`."""
        if not self._ready:
            for descriptor, _ in self._epoll.poll(timeout):
                rested = self._since.pop(descriptor, None)
                if rested is not None:
                    self._ready.append(rested[0])
        return self._ready.popleft() if self._ready else None

    def is_empty(self) -> bool:
        return not self._since and not self._ready

    def remove(self, until: float) -> list[Any]:
        """Remove the connections that have rested since `until` or longer, and return them."""
        removed = []
        for descriptor, (conn, since) in list(self._since.items()):
            if since > until:
                break
            if self._since.pop(descriptor, None) is not None:
                with suppress(FileNotFoundError):
                    self._epoll.unregister(descriptor)
                removed.append(conn)
        return removed


class Leadership:
    """Which thread leads. None is needed while `is_idle`; `appoint` has another one come."""

    def __init__(self, is_idle: Callable[[], bool], appoint: Callable[[], object]) -> None:
        self._is_idle = is_idle
        self._appoint = appoint
        self._lock = threading.Lock()
        self._leader: int | None = None
        self._busy_since: float | None = None

    def take(self) -> bool:
        """Lead on, or from now on where nobody does; False where this thread need not."""
        me = threading.get_ident()
        with self._lock:
            if self._leader not in (me, None, _APPOINTED):
                return False
            self._leader = None if self._is_idle() else me
            self._busy_since = None
            return self._leader is not None

    def turn_to_request(self) -> None:
        """Say that the leader does something else now than waiting for requests."""
        self._busy_since = time.monotonic()

    def fill(self) -> None:
        """Have a thread lead, if it is needed and none does."""
        with self._lock:
            self._fill()

    def give_up(self) -> None:
        """Let another thread lead, if this one does: it is about to wait."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._leader = None
                self._fill()

    def replace_stuck(self) -> None:
        """Let another thread lead, if the one that does has been busy with one request for long."""
        since = self._busy_since
        if since is None or time.monotonic() - since < TURN_SECONDS:
            return
        with self._lock:
            if self._busy_since == since:
                self._busy_since = self._leader = None
                self._fill()

    def _fill(self) -> None:
        if self._leader is None and not self._is_idle():
            self._leader = _APPOINTED
            self._appoint()
