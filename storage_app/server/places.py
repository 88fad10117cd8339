"""The places of a worker for requests that wait for their clients.

A request takes a place when it first has to wait for its client, whether to receive or to send, and keeps it until it
ends. There are fewer places than threads. So some threads are always free for requests that are here, and for answers
that the kernel takes at once.
"""

import errno
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from ..errors import Unavailable
from ..host.clients import Watch

# A client that was silent for longer loses its place to another one that needs it.
PATIENCE_SECONDS = 1.0
_WATCH_SECONDS = 0.5
_RETRY_SECONDS = 5
_RESET = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER


class Place:
    """The place of one request. Only the thread of that request waits in it."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._receives = True
        self.silent_since: float | None = None  # by the clock of all places; None if the request does not wait now
        self.is_lost = False

    def wait_to_receive(self, seconds: float, watch: Watch | None = None) -> bool:
        """Wait until the client sends something, or disconnects. Return whether it did so in time.

        Raises `Unavailable` if another request took the place, and what `watch` raises, which is called meanwhile.
        """
        self._receives = True
        began, step = self._clock(), seconds if watch is None else min(seconds, _WATCH_SECONDS)
        came = self._wait(select.POLLIN, step, began)
        while watch is not None and not came and self._clock() - began < seconds:
            self.check()
            watch(self._clock() - began)
            came = self._wait(select.POLLIN, min(step, max(0, began + seconds - self._clock())), began)
        self.check()
        return came

    def wait_to_send(self, seconds: float, *, silent_since: float) -> None:
        """Wait until the kernel takes more, or the time is up. A request that lost its place cannot send any more."""
        self._receives = False
        self._wait(select.POLLOUT, seconds, silent_since)

    def _wait(self, event: int, seconds: float, silent_since: float) -> bool:
        poll = select.poll()
        poll.register(self._connection, event)
        self.silent_since = silent_since
        try:
            return bool(poll.poll(seconds * 1000))
        finally:
            self.silent_since = None

    def silence(self, now: float) -> float:
        """Return for how many seconds the request has waited for its client, 0 if it does not."""
        since = self.silent_since
        return 0.0 if since is None else now - since

    def check(self) -> None:
        """Raise `Unavailable` if another request took the place."""
        if self.is_lost:
            raise Unavailable(
                "The body stopped coming while others waited to send theirs; send it again.",
                retry_after=_RETRY_SECONDS,
            )

    def lose(self) -> None:
        """Wake the request, which ends: one that sends, without the rest of its answer; another with a refusal."""
        self.is_lost = True
        try:
            if self._receives:
                self._connection.shutdown(socket.SHUT_RD)
            else:
                cut_off(self._connection)
        except OSError:
            pass  # the client has disconnected


class _Own(threading.local):
    """The state of one thread's request."""

    connection: socket.socket | None = None
    place: Place | None = None
    body_ends: float | None = None
    watch: Watch | None = None


class Places:
    """A number of places for the requests of one process, each of which is served by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count: int | None = None
        self._lock = threading.Lock()
        self._taken: set[Place] = set()
        self._own = _Own()
        self._on_hold: Callable[[], object] = lambda: None

    def on_hold(self, callback: Callable[[], object]) -> None:
        """Call `callback` in each thread whose request takes a place."""
        self._on_hold = callback

    def limit(self, count: int | None) -> None:
        """Let there be `count` places; None: any number."""
        self._count = count

    def free(self) -> int:
        """Return how many places are free, 0 if there is no limit."""
        return max(0, (self._count or 0) - len(self._taken))

    def begin(self, connection: socket.socket) -> None:
        """Record that a request of `connection` begins in this thread."""
        self._own.connection = connection

    def end(self) -> None:
        """Record that the request of this thread has ended, and give its place up."""
        own = self._own
        own.connection = own.body_ends = own.watch = None
        if own.place is not None:
            with self._lock:
                self._taken.discard(own.place)
            own.place = None

    def is_in_request(self) -> bool:
        """Return whether a request has begun in this thread and has not ended."""
        return self._own.connection is not None

    def hold(self) -> Place:
        """Return the place of this thread's request. If it has none, take one.

        If all are taken, take that of the client that has been silent for longest, if that is more than
        PATIENCE_SECONDS. Raises `Unavailable` if there is none, or if this request lost its place.
        """
        own = self._own
        if own.place is None:
            assert own.connection is not None, "no request has begun in this thread"
            own.place = self._take(own.connection)
            self._on_hold()
        own.place.check()
        return own.place

    def limit_body(self, seconds: float) -> None:
        """Let each read of this request's body time out that many seconds from now."""
        self._own.body_ends = self._clock() + seconds

    def watch_silence(self, watch: Watch | None) -> None:
        """Call `watch` now and then while this request waits for its body."""
        self._own.watch = watch

    def wait_for_body(self, seconds: float) -> bool:
        """Wait for the next bytes of the body in the place of this request, as `Place.wait_to_receive` does."""
        return self.hold().wait_to_receive(self.seconds_left(seconds), self._own.watch)

    def seconds_left(self, most: float) -> float:
        """Return for how long to wait for the next bytes of the body: `most`, unless the body has to end earlier."""
        if self._own.body_ends is None:
            return most
        return max(0.0, min(most, self._own.body_ends - self._clock()))

    def _take(self, connection: socket.socket) -> Place:
        place = Place(connection, self._clock)
        with self._lock:
            if self._count is not None and len(self._taken) >= self._count:
                self._evict_one()
            self._taken.add(place)
        return place

    def _evict_one(self) -> None:
        now = self._clock()
        longest = max(self._taken, key=lambda place: place.silence(now), default=None)
        if longest is None or longest.silence(now) <= PATIENCE_SECONDS:
            raise Unavailable(
                "The service waits for as many slow clients as it can; try again in a moment.",
                retry_after=_RETRY_SECONDS,
            )
        self._taken.discard(longest)
        longest.lose()


def cut_off(connection: socket.socket) -> None:
    """End the connection at once. The client gets a reset, and no bytes that it has not taken yet."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.shutdown(socket.SHUT_RDWR)


def broken_pipe(reason: str) -> OSError:
    """Return the error that gunicorn takes for a client that disconnected."""
    return BrokenPipeError(errno.EPIPE, reason)


places = Places()
