"""SHA-256 in pieces, small ones at once and large ones beside what comes next."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_app.host import hashing
from storage_app.host.hashing import Sha256

LARGE = hashing._WORTH_A_THREAD


@pytest.mark.parametrize("sizes", [[], [0], [1], [LARGE - 1], [LARGE], [1, LARGE, 5, LARGE, LARGE, 0, 3]])
def test_digest_is_that_of_all_pieces_in_order(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    digest = Sha256()
    for piece in pieces:
        digest.update(piece)
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert digest.hexdigest() == digest.hexdigest()  # more than once


class Held:
    """A hash that takes as many pieces as it is allowed to, and notes when it has."""

    def __init__(self, name: str = "", noted: list[str] | None = None) -> None:
        self.allowed, self.begun = threading.Semaphore(0), threading.Event()
        self._name, self._noted = name, [] if noted is None else noted
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self.begun.set()
        assert self.allowed.acquire(timeout=10)
        self._noted.append(self._name)
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def held(name: str = "", noted: list[str] | None = None) -> tuple[Sha256, Held]:
    digest, held = Sha256(), Held(name, noted)
    digest._hash = held  # type: ignore[assignment]
    return digest, held


@pytest.mark.parametrize("last", [b"c" * LARGE, b"c"], ids=["large", "small"])
def test_two_large_pieces_are_hashed_beside_what_comes_next(last: bytes) -> None:
    """And the piece after them waits, or memory would grow without a bound."""
    digest, slow = held()
    digest.update(b"a" * LARGE)  # returns while the thread has not done
    digest.update(b"b" * LARGE)
    assert slow.begun.wait(10)
    with ThreadPoolExecutor(1) as threads:
        next_piece = threads.submit(digest.update, last)
        with pytest.raises(TimeoutError):
            next_piece.result(0.05)
        slow.allowed.release(3)
    assert digest.hexdigest() == hashlib.sha256(b"a" * LARGE + b"b" * LARGE + last).hexdigest()


def test_next_piece_comes_as_soon_as_one_is_done() -> None:
    """Not when all are: reading and hashing would wait for each other in turn."""
    digest, slow = held()
    digest.update(b"a" * LARGE)
    digest.update(b"b" * LARGE)
    assert slow.begun.wait(10)
    slow.allowed.release()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(digest.update, b"c" * LARGE).result(10)
        slow.allowed.release(2)
    assert digest.hexdigest() == hashlib.sha256(b"a" * LARGE + b"b" * LARGE + b"c" * LARGE).hexdigest()


def test_thread_goes_on_with_the_same_where_nobody_else_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one would have to be woken, and would find nothing of it in its core's cache."""
    asked: list[object] = []
    run = hashing._threads.run

    def note_and_run(call: Callable[[], None]) -> None:
        asked.append(call)
        run(call)

    monkeypatch.setattr(hashing._threads, "run", note_and_run)
    digest, slow = held()
    digest.update(b"a" * LARGE)
    digest.update(b"b" * LARGE)
    slow.allowed.release(2)
    digest.hexdigest()
    assert len(asked) == 1


def test_threads_are_for_all_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends fast would keep a thread for as long as it sends, and the others would not be read any more."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(hashing, "_threads", hashing._Threads())
    order: list[str] = []
    fast, fast_hash = held("fast", order)
    other, other_hash = held("other", order)
    fast.update(b"a" * LARGE)
    assert fast_hash.begun.wait(10)
    fast.update(b"b" * LARGE)
    other.update(b"c" * LARGE)
    other_hash.allowed.release()
    fast_hash.allowed.release(2)
    fast.hexdigest()
    other.hexdigest()
    assert order == ["fast", "other", "fast"]


def test_piece_that_cannot_be_hashed_is_told_with_the_digest() -> None:
    """And its thread goes on for others."""
    digest, next_one = Sha256(), Sha256()
    digest.update(["not bytes"] * LARGE)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        digest.hexdigest()
    next_one.update(b"a" * LARGE)
    assert next_one.hexdigest() == hashlib.sha256(b"a" * LARGE).hexdigest()
