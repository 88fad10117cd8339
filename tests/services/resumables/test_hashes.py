"""Hashes that go on where the same process gets the next piece, and begin anew where it does not."""

import hashlib
from collections.abc import Iterator

from storage_app.services.resumables import hashes
from storage_app.services.resumables.hashes import RunningHash, RunningHashes

DATA = bytes(range(256)) * 100


def pieces(start: int, size: int) -> Iterator[bytes]:
    assert size > 0
    yield DATA[start:]


def test_hash_reads_what_it_has_not_seen() -> None:
    for seen in (0, 1, len(DATA)):
        running = RunningHash(cuts=0)
        running.update(DATA[:seen])
        assert running.of_whole(pieces) == hashlib.sha256(DATA).hexdigest()


def test_hash_is_kept_until_bytes_are_cut_off() -> None:
    kept = RunningHashes()
    running = kept.take("a", cuts=0)
    running.update(b"abc")
    kept.put("a", running)
    assert kept.take("a", cuts=0) is running
    assert kept.take("a", cuts=0).offset == 0  # it was taken
    kept.put("a", running)
    assert kept.take("a", cuts=1).offset == 0


def test_only_some_are_kept() -> None:
    kept = RunningHashes()
    for number in range(hashes._MOST + 1):
        running = RunningHash(cuts=0)
        running.update(b"x")
        kept.put(str(number), running)
    assert kept.take("0", cuts=0).offset == 0
    assert kept.take("1", cuts=0).offset == 1
