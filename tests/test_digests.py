"""SHA-256 in pieces, small ones at once and large ones beside what comes next."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_app import digests
from storage_app.digests import Sha256

LARGE = digests._WORTH_A_THREAD


@pytest.mark.parametrize("sizes", [[], [0], [1], [LARGE - 1], [LARGE], [1, LARGE, 5, LARGE, LARGE, 0, 3]])
def test_digest_is_that_of_all_pieces_in_order(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    digest = Sha256()
    for piece in pieces:
        digest.update(piece)
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert digest.hexdigest() == digest.hexdigest()  # more than once


def test_large_piece_is_hashed_beside_what_comes_next() -> None:
    """And the piece after it waits, or the order would be lost."""
    go, begun = threading.Event(), threading.Event()

    class Held:
        """A hash that goes on when it is told to."""

        def update(self, data: bytes) -> None:
            begun.set()
            assert go.wait(10)
            real.update(data)

    digest = Sha256()
    real, digest._hash = digest._hash, Held()  # type: ignore[assignment]
    digest.update(b"a" * LARGE)  # returns while the thread has not done
    assert begun.wait(10)
    digest._hash = real
    with ThreadPoolExecutor(1) as threads:
        next_piece = threads.submit(digest.update, b"b")
        with pytest.raises(TimeoutError):
            next_piece.result(0.05)
        go.set()
    assert digest.hexdigest() == hashlib.sha256(b"a" * LARGE + b"b").hexdigest()


def test_piece_that_cannot_be_hashed_is_told_with_the_digest() -> None:
    """And its thread goes on for others."""
    digest, next_one = Sha256(), Sha256()
    digest.update(["not bytes"] * LARGE)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        digest.hexdigest()
    next_one.update(b"a" * LARGE)
    assert next_one.hexdigest() == hashlib.sha256(b"a" * LARGE).hexdigest()
