"""Marks for the parts of the service in which a request spends its time. They do nothing unless it is timed."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Part(StrEnum):
    """A part of the service."""

    INDEX = "index"
    STORE = "store"


class _Own(threading.local):
    """The times of the request of one thread."""

    seconds: dict[Part, float] | None = None
    part: Part | None = None
    since = 0.0


_own = _Own()
_NOTHING = nullcontext()


def begin() -> None:
    """Time the request of this thread from now on."""
    _own.seconds, _own.part = dict.fromkeys(Part, 0.0), None


def end() -> dict[str, float]:
    """Stop that, and return the seconds that were spent in each part."""
    seconds, _own.seconds = _own.seconds, None
    return {name.value: spent for name, spent in (seconds or {}).items()}


def part(entered: Part) -> AbstractContextManager[object]:
    """Mark the body of `with` as work of that part, but for what other parts do in it."""
    return _NOTHING if _own.seconds is None else _Timed(entered)


def part_of(entered: Part) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as work of that part."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            if _own.seconds is None:
                return function(*args, **kwargs)
            with _Timed(entered):
                return function(*args, **kwargs)

        return timed

    return decorate


class _Timed:
    def __init__(self, entered: Part) -> None:
        self._entered = entered
        self._left: Part | None = None

    def __enter__(self) -> None:
        self._left = _switch(self._entered)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _switch(self._left)


def _switch(to: Part | None) -> Part | None:
    """Let the time of this thread count for another part, and return the one that it left."""
    now, left = time.perf_counter(), _own.part
    if _own.seconds is not None and left is not None:
        _own.seconds[left] += now - _own.since
    _own.part, _own.since = to, now
    return left
