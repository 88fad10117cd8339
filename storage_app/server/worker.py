"""gunicorn's worker, with one thread that looks after all busy connections: the leader.

gunicorn's main thread hands each request to a thread of the pool, and takes the connection back afterwards. The way
there and back, through two locks and a pipe, costs as much as a small request. Here a leader waits for the next request
of every busy connection, and answers it itself. When it must wait for something else than the processor, or takes long,
another thread of the pool leads on; who has answered a request while nobody leads is the next (D. C. Schmidt et al.,
"Leader/Followers", 2000). The main thread accepts connections, keeps the idle ones, and watches the leader.
"""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.workers import gthread

from ..host import blocking
from .request_body import SocketBody
from .scheduler import TURN_SECONDS, Scheduler

# Who asks again sooner is answered by the leader, without the main thread.
_BUSY_SECONDS = 1.0
# How long the leader waits before it looks whether there still is a connection to wait for.
_POLL_SECONDS = 0.1
# A request's head is sent at once; who stops in it gives the thread back. The application bounds the body itself.
_HEAD_SECONDS = 10
# How much is read with a head, and of a chunked body: most heads, and with many a small body, too.
_HEAD_BYTES = 32 * 1024

# A worker that has taken many connections leaves the next one to others for a moment.
_MANY = 20
_BACKOFF_SECONDS = 0.0001


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gthread worker in which requests take turns, and a leader answers most of them."""

    _ends_at_once = False

    def init_process(self) -> None:
        self.method_queue = _OpenQueue()
        self._resting = Resting()
        self._leadership = Leadership(self._resting.is_empty, self._call_thread)
        self._gave_back_at = 0.0
        self._scheduler = Scheduler()
        self._scheduler.on_detach(self._leadership.give_up)
        blocking.install(self._scheduler)
        super().init_process()

    # In the main thread

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless another worker does, which has fewer and so waits less: all are woken by it."""
        if self.cfg.workers > 1:
            time.sleep(min(self.nr_conns, _MANY) * _BACKOFF_SECONDS)
        super().accept(listener)

    def run(self) -> None:
        try:
            super().run()
        finally:
            # However it ended: a leader that went on would keep the process, and open the store again.
            self.alive = False
            self.tpool.shutdown(wait=False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once, on the first SIGINT or SIGQUIT: Ctrl-C sends two, and the second would interrupt worker_exit.

        Not as gthread does, whose handler takes the lock of the pool: what it interrupts may hold that, and be its own
        first call, and the worker would stand still until it is killed. `run` closes the pool.
        """
        if not self._ends_at_once:
            self._ends_at_once = True
            super(gthread.ThreadWorker, self).handle_quit(sig, frame)

    def is_parent_alive(self) -> bool:
        if not super().is_parent_alive():
            self.alive = False  # end as after SIGTERM, and not serve busy clients for all of graceful_timeout
        return self.alive

    def enqueue_req(self, conn: Any) -> None:
        """Take care of a connection that is new, or whose client has sent something."""
        if not conn.initialized:
            conn.init()
            # `handle` calls it before each request, after it has let the socket wait for ever.
            conn.init = partial(conn.sock.settimeout, _HEAD_SECONDS)
            conn.parser.unreader.mxchunk = _HEAD_BYTES
        self._resting.add(conn)
        self._leadership.fill()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what gunicorn's loop does, and watch the leader."""
        is_busy = self.nr_conns > len(self.keepalived_conns)
        super().wait_for_and_dispatch_events(min(timeout, TURN_SECONDS) if is_busy else timeout)
        self._leadership.replace_stuck()

    def _forget_one(self) -> None:
        self.nr_conns -= 1

    # In the threads of the pool

    def handle_request(self, req: Any, conn: Any) -> Any:
        if isinstance(req.body.reader, LengthReader):
            req.body = SocketBody(req.unreader, req.body.reader.length)
        self._scheduler.begin()
        try:
            return super().handle_request(req, conn)
        finally:
            self._scheduler.end()

    def _lead(self) -> None:
        """Answer requests as they come, until another thread leads or no connection is busy."""
        self._leadership.come()
        try:
            while self._leadership.take():
                self._give_back()
                conn = self._resting.next(_POLL_SECONDS)
                if conn is not None:
                    self._leadership.turn_to_request()
                    self._serve(conn)
        except BaseException:
            self.log.exception("The leader of the worker failed")  # the pool would keep it to itself
            raise
        finally:
            self._leadership.give_up()

    def _serve(self, conn: Any) -> None:
        try:
            if self.handle(conn) is True:
                self._resting.add(conn)
                return
        except BaseException:  # what ends a thread must not end the one that leads
            self.log.exception("Error handling request")
        self._leadership.give_up()  # closing waits for the client, up to two seconds; in gunicorn, the main thread does
        with suppress(OSError):  # `handle` has closed it
            conn.close(graceful=True)
        self.method_queue.defer(self._forget_one)

    def _give_back(self) -> None:
        """Now and then, let the main thread keep the connections that are busy no more: in a worker that stops, all."""
        if self.alive and time.monotonic() - self._gave_back_at < _POLL_SECONDS:
            return
        self._gave_back_at = time.monotonic()
        for conn in self._resting.remove(time.monotonic() - (_BUSY_SECONDS if self.alive else 0)):
            kept: Future[bool] = Future()
            kept.set_result(True)
            self.method_queue.defer(self.finish_request, conn, kept)

    def _call_thread(self) -> None:
        try:
            self.tpool.submit(self._lead)
        except RuntimeError:
            if self.alive:
                raise  # else the pool has been shut down, and nobody is answered any more


class _OpenQueue(gthread.PollableMethodQueue):  # type: ignore[misc]
    """What the main thread is asked to do, by a byte in a pipe that is never closed.

    A request may outlast the main thread, and would write into whatever file has got the number of the pipe.
    """

    def close(self) -> None:
        pass


class Resting:
    """Busy connections between two requests. Any thread may `add` one; the rest is for the leader."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()  # whoever is in `_since` is in `_epoll`, too
        self._since: dict[int, tuple[Any, float]] = {}  # by descriptor, first who has rested longest
        self._ready: deque[Any] = deque()

    def add(self, conn: Any) -> None:
        # A request that came with the one before can be answered as soon as the client takes answers.
        event = select.EPOLLOUT if conn.parser.unreader.buf.getvalue() else select.EPOLLIN
        with self._lock:
            descriptor = conn.sock.fileno()
            self._since[descriptor] = conn, time.monotonic()  # before an event can come
            try:
                self._watch(descriptor, event | select.EPOLLONESHOT)
            except BaseException:
                self._since.pop(descriptor, None)  # an order to end may come when the leader has it already
                raise

    def _watch(self, descriptor: int, events: int) -> None:
        try:
            self._epoll.modify(descriptor, events)
        except FileNotFoundError:
            self._epoll.register(descriptor, events)

    def next(self, timeout: float) -> Any:
        """Return a connection whose client has sent something or gone, in the order of that; None after `timeout`."""
        if not self._ready:
            for descriptor, _ in self._epoll.poll(timeout):
                if descriptor in self._since:  # else it was removed
                    self._ready.append(self._since.pop(descriptor)[0])
        return self._ready.popleft() if self._ready else None

    def remove(self, until: float) -> Iterator[Any]:
        """Remove the connections that have rested since `until` or longer, one by one."""
        while (conn := self._remove_one(until)) is not None:
            yield conn

    def _remove_one(self, until: float) -> Any:
        with self._lock:
            conn, since = next(iter(self._since.values()), (None, 0.0))
            if conn is None or since > until:
                return None
            del self._since[conn.sock.fileno()]
            self._epoll.unregister(conn.sock)  # or what comes for others would count as come for the next to `add` it
            return conn

    def is_empty(self) -> bool:
        return not self._since and not self._ready


class Leadership:
    """Which thread leads. None is needed while `is_idle`; `call` has another one come, as soon as one is free.

    Who was called says `come`, and then before each wait for a request `take`, and after it `turn_to_request`. Others
    `fill` an empty place; a leader that has to wait does `give_up`; and the main thread does `replace_stuck`.
    """

    def __init__(self, is_idle: Callable[[], bool], call: Callable[[], object]) -> None:
        self._is_idle = is_idle
        self._call = call
        self._lock = threading.RLock()
        self._leader: int | None = None
        self._busy_since: float | None = None
        self._is_called = False  # somebody who has not come yet

    def turn_to_request(self) -> None:
        """Say that the leader does something else now than waiting for requests."""
        self._busy_since = time.monotonic()

    def come(self) -> None:
        """Say that the thread that was called is there."""
        with self._lock:
            self._is_called = False

    def take(self) -> bool:
        """Lead on, or from now on where nobody does; False where this thread need not."""
        with self._lock:
            if self._leader not in (threading.get_ident(), None):
                return False
            self._leader = None if self._is_idle() else threading.get_ident()
            self._busy_since = None
            return self._leader is not None

    def fill(self) -> None:
        """Have a thread lead, if it is needed and none does."""
        with self._lock:
            if self._leader is None and not self._is_called and not self._is_idle():
                self._call()
                self._is_called = True

    def give_up(self) -> None:
        """Let another thread lead, if this one does: it is about to wait."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._pass_on()

    def replace_stuck(self) -> None:
        """Let another thread lead, if the one that does has been busy with one request for long."""
        with self._lock:
            if self._busy_since is not None and time.monotonic() - self._busy_since > TURN_SECONDS:
                self._pass_on()

    def _pass_on(self) -> None:
        self._leader = self._busy_since = None
        self.fill()
