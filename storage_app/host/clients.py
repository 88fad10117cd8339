"""Marks for code that depends on how fast the client of the request sends or reads.

The marks do nothing by themselves. A server that bounds how many clients it waits for installs its rules here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

# The kernel takes so much of any answer at once, even from a fresh connection.
BUFFERED_BYTES = 64 * 1024

# Told for how many seconds nothing has come. It may raise, which ends the wait and the request.
Watch = Callable[[float], object]


class Rules(Protocol):
    """Decide for how many clients, and for how long, the requests of this process wait."""

    def hold(self) -> object:
        """Take one of the places for requests that wait for their clients, until the request of this thread ends.

        Raises `Unavailable` if none is left.
        """

    def limit_body(self, seconds: float) -> None:
        """Let each read of the request's body time out that many seconds from now."""

    def watch_silence(self, watch: "Watch | None") -> None:
        """Call `watch` now and then while the client sends nothing of the request's body."""


class _Unbounded:
    """Waits for any number of clients."""

    def hold(self) -> None:
        pass

    def limit_body(self, seconds: float) -> None:
        pass

    def watch_silence(self, watch: "Watch | None") -> None:
        pass


class _Installed:
    rules: Rules = _Unbounded()


def install(rules: Rules | None) -> None:
    """Use `rules` in this process from now on, or none."""
    _Installed.rules = rules or _Unbounded()


def expect_answer(size: int) -> None:
    """Mark a request with an answer of `size` bytes, before the answer begins.

    Raises `Unavailable` if the kernel may not take the answer at once, and the process waits for as many clients as it
    may.
    """
    if size > BUFFERED_BYTES:
        _Installed.rules.hold()


def expect_long_work() -> None:
    """Mark a request that works for seconds. Like a wait for a client, it must not take the last thread.

    Raises `Unavailable` if the process waits for as many clients, and works on as many such requests, as it may.
    """
    _Installed.rules.hold()


def expect_body_within(seconds: float) -> None:
    """Mark a request whose body is short: a client that needs longer for it than `seconds` in all is cut off."""
    _Installed.rules.limit_body(seconds)


@contextmanager
def silence_watched(watch: Watch) -> Iterator[None]:
    """Have `watch` called about once a second while the client sends nothing of the request's body."""
    _Installed.rules.watch_silence(watch)
    try:
        yield
    finally:
        _Installed.rules.watch_silence(None)
