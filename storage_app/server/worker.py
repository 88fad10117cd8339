"""gunicorn's worker, with one thread, the leader, that serves all busy connections.

gthread's main thread hands each request to a thread of the pool, and takes the connection back afterwards. The way
there and back, through two locks and a pipe, costs as much as a small request. Here a leader waits for the next request
of any busy connection, and answers it itself. If the leader blocks or overruns, another thread of the pool takes the
lead. A thread that has answered its request takes the lead again if nobody has it (D. C. Schmidt et al.,
"Leader/Followers", 2000). The main thread accepts connections, keeps the idle ones, and watches the leader.
"""

import errno
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

from gunicorn.http.body import LengthReader
from gunicorn.workers import gthread

from ..api.lanes import Lane
from ..errors import Unavailable
from ..host import blocking
from . import bad_requests, heads
from .lanes import Lanes
from .leadership import Leadership
from .lingering import Lingering, half_close
from .places import places
from .request_body import SocketBody
from .resting import Resting
from .scheduler import TURN_SECONDS, Scheduler

# A connection that rests for longer goes back to the main thread.
_BUSY_SECONDS = 1.0
# How often the leader checks whether any connection is left to wait for, and whether a request in a lane may begin.
_POLL_SECONDS, _LANE_POLL_SECONDS = 0.1, 0.005
# A client that needs longer for a head, or to take an answer with another request behind it, is cut off.
_HEAD_SECONDS, _READER_SECONDS = 10, 60
_SECONDS_IF_FULL = 1
# A body that the application left is read to its end if it is no longer than this.
_LEFT_BYTES = 64 * 1024
# Without descriptors or memory, no connection can be accepted for a moment (accept(2)). The log says so now and then.
_NOT_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NOT_NOW_SECONDS = 0.25
_WARN_SECONDS = 60
_FULL_LANES = "Too many requests of this kind wait for their turn; try again in a moment."

# A worker sleeps this long for each of its connections before it accepts one, up to a number of connections. Beyond
# it, a worker accepts as many at a time, or the last of a burst would wait for all those sleeps.
_MANY = 20
_BACKOFF_SECONDS = 0.0001


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gthread worker that schedules its requests. A leader answers most of them."""

    _ends_at_once = False
    _accept_again_at = 0.0
    _warn_again_at = 0.0
    # Finds the lane of a request by its method and path.
    lane_of: Callable[[str, str], Lane | None] = staticmethod(lambda _method, _path: None)

    def init_process(self) -> None:
        self.method_queue = _OpenQueue()
        self._resting = Resting()
        # The other connections are for those who may overtake.
        self._lanes = Lanes(self.worker_connections // 2, self._close)
        places.on_hold(self._lanes.leave)
        self._leadership = Leadership(self._is_idle, self._call_thread)
        self._gave_back_at = 0.0
        self._scheduler = Scheduler()
        self._scheduler.on_detach(self._leadership.give_up)
        blocking.install(self._scheduler)
        super().init_process()

    # In the main thread

    def accept(self, listener: Any) -> None:
        """Accept a new connection, if it is still there after a pause.

        The kernel wakes all workers. The pause grows with the number of connections, so a worker with fewer is first.
        """
        if self.cfg.workers > 1:
            time.sleep(min(self.nr_conns, _MANY) * _BACKOFF_SECONDS)
        try:
            for _ in range(1 if self.nr_conns < _MANY else _MANY):
                before = self.nr_conns
                super().accept(listener)
                if not before < self.nr_conns < self.worker_connections:
                    break
        except OSError as error:
            if error.errno not in _NOT_NOW:
                raise
            self._accept_later(error)

    def _accept_later(self, error: OSError) -> None:
        now = time.monotonic()
        if now >= self._warn_again_at:
            self.log.warning("No connection can be accepted for now: %s", error)
            self._warn_again_at = now + _WARN_SECONDS
        self._accept_again_at = now + _NOT_NOW_SECONDS
        self.set_accept_enabled(False)
        self._make_room()

    def set_accept_enabled(self, enabled: bool) -> None:
        if not enabled or time.monotonic() >= self._accept_again_at:
            super().set_accept_enabled(enabled)

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest. Return whether there was one."""
        if self._lingering.close_oldest():
            return True
        if not self.keepalived_conns:
            return False
        conn = self.keepalived_conns.popleft()
        self.poller.unregister(conn.sock)
        conn.close()
        self._forget_one()
        return True

    def run(self) -> None:
        self._lingering = Lingering(self.poller, self._forget_one)
        try:
            super().run()
        finally:
            # A leader that went on would keep the process alive, and open the store again.
            self.alive = False
            for conn in self._lanes.remove_all():
                conn.close()
                self._forget_one()
            self.tpool.shutdown(wait=False)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once, on the first SIGINT or SIGQUIT. Ctrl-C sends two, and the second would interrupt worker_exit.

        This bypasses gthread's handler, which takes the lock of the pool. If the interrupted code holds that lock, the
        worker would hang until it is killed. `run` shuts the pool down instead.
        """
        if not self._ends_at_once:
            self._ends_at_once = True
            super(gthread.ThreadWorker, self).handle_quit(sig, frame)

    def is_parent_alive(self) -> bool:
        if not super().is_parent_alive():
            self.alive = False  # end as after SIGTERM, instead of serving busy clients until graceful_timeout
        return self.alive

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to the leader: a new one, or an idle one whose client has sent something."""
        if not conn.initialized:
            conn.init()
            # `handle` calls `init` before it parses a head, which is here.
            conn.init = partial(conn.sock.setblocking, False)
            conn.init()
            conn.parser.unreader.mxchunk = heads.STEP_BYTES
        self._resting.add(conn)
        self._leadership.fill()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Run gunicorn's loop once, and replace a leader that overran."""
        is_busy = self.nr_conns > len(self.keepalived_conns)
        super().wait_for_and_dispatch_events(min(timeout, TURN_SECONDS) if is_busy else timeout)
        self._leadership.replace_stuck()
        self._lingering.close_late()
        while self.nr_conns >= self.worker_connections and self._make_room():
            pass

    def _forget_one(self) -> None:
        self.nr_conns -= 1

    # In the threads of the pool

    def handle_request(self, req: Any, conn: Any) -> Any:
        lane = self.lane_of(req.method, req.path)
        if lane is not None and not self._lanes.may_begin(lane, conn, others_wait=self._resting.has_next()):
            return _PutAside(lane)
        if isinstance(req.body.reader, LengthReader):
            req.body = SocketBody(req.unreader, req.body.reader.length)
        self._scheduler.begin()
        try:
            return super().handle_request(req, conn)
        finally:
            if isinstance(req.body, SocketBody):
                req.body.end_request()
            self._scheduler.end()
            self._lanes.leave()

    def _keepalive_after(self, conn: Any, keepalive: Any) -> Any:
        """Return whether the connection can be kept. It ends if the rest of its request's body is not here."""
        if not keepalive or isinstance(keepalive, _PutAside):
            return keepalive
        conn.sock.settimeout(0)
        try:
            return bool(conn.parser.finish_body(max_bytes=_LEFT_BYTES))
        except BlockingIOError:
            return False

    def _lead(self) -> None:
        """Answer requests as they come, until another thread leads or no connection is busy."""
        self._leadership.come()
        try:
            while self._leadership.take():
                self._give_back()
                conn = self._next()
                if conn is not None:
                    self._leadership.turn_to_request()
                    self._serve(conn)
        except BaseException:
            self.log.exception("The leader of the worker failed")  # the pool would not log it
            raise
        finally:
            self._leadership.give_up()

    def _is_idle(self) -> bool:
        return self._resting.is_empty() and self._lanes.is_empty()

    def _next(self) -> Any:
        if self._lanes.is_empty():
            return self._resting.next(_POLL_SECONDS)
        self._resting.look(0)
        conn = self._lanes.next(others_wait=self._resting.has_next())
        return conn or self._resting.next(_LANE_POLL_SECONDS)

    def _serve(self, conn: Any) -> None:
        try:
            if heads.is_too_large(conn):
                heads.refuse(conn)
            elif self._is_kept(conn, self.handle(conn)):
                return
        except BaseException:  # no request may end the leader
            self.log.exception("Error handling request")
        self._close(conn)

    def _is_kept(self, conn: Any, outcome: Any) -> bool:
        """Let the connection rest after its request, or wait with it in its lane. Return False if it ends."""
        if isinstance(outcome, _PutAside):
            if not (waits := self._lanes.put_aside(outcome.lane, conn)):
                bad_requests.refuse(conn.sock, Unavailable(_FULL_LANES))
            return waits
        if outcome is True:
            self._resting.add(conn)
        return outcome is True

    def _close(self, conn: Any) -> None:
        """Close the connection once its client does. The main thread waits for that."""
        if half_close(conn.sock):
            conn.close()
            self.method_queue.defer(self._forget_one)
        else:
            self.method_queue.defer(self._lingering.add, conn.sock)

    def _give_back(self) -> None:
        """Now and then, return connections that are not busy to the main thread. A worker that stops returns all."""
        if self.alive and time.monotonic() - self._gave_back_at < _POLL_SECONDS:
            return
        now = self._gave_back_at = time.monotonic()
        has_room = self.alive and self.nr_conns < self.worker_connections
        head_seconds, reader_seconds = (_HEAD_SECONDS, _READER_SECONDS) if has_room else (_SECONDS_IF_FULL,) * 2
        for conn in self._resting.remove_late(heads_until=now - head_seconds, readers_until=now - reader_seconds):
            conn.close()
            self.method_queue.defer(self._forget_one)
        for conn in self._resting.remove(now - (_BUSY_SECONDS if has_room else 0)):
            kept: Future[bool] = Future()
            kept.set_result(True)
            self.method_queue.defer(self.finish_request, conn, kept)

    def _call_thread(self) -> None:
        try:
            self.tpool.submit(self._lead)
        except RuntimeError:
            if self.alive:
                raise  # otherwise the worker stops, and its pool was shut down


class _PutAside(NamedTuple):
    """The outcome of a request that waits in a lane."""

    lane: Lane


class _OpenQueue(gthread.PollableMethodQueue):  # type: ignore[misc]
    """The queue of calls for the main thread. Its pipe is never closed.

    A request may outlast the main thread. After a close it would write into whichever file reuses the descriptor.
    """

    def close(self) -> None:
        pass
