"""What every store must do with the bytes of files, when they are placed."""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from storage_app.blobstore import Inventory
from tests.blobstore.suite_part import SuitePart
from tests.support.stores import BUCKET, content, purge, put, receive


def reusing_its_buffer() -> Iterator[Any]:
    """Give the same buffer with other bytes each time, as a reader into memory of its own does."""
    buffer = bytearray(4)
    for piece in (b"abcd", b"efgh", b"ijkl"):
        buffer[:] = piece
        yield memoryview(buffer)
    buffer[:] = b"!!!!"


class OfBytes(SuitePart):
    @pytest.mark.parametrize(
        ("pieces", "expected"),
        [
            pytest.param(list, b"", id="none"),
            pytest.param(lambda: [b""], b"", id="one that is empty"),
            pytest.param(lambda: [bytes([number]) for number in range(256)], bytes(range(256)), id="single bytes"),
            pytest.param(lambda: [b"", b"a\r\n", b"", b"\x00b", b""], b"a\r\n\x00b", id="empty ones between"),
            pytest.param(lambda: [bytearray(b"ab"), memoryview(b"abc")[1:]], b"abbc", id="other kinds of bytes"),
            pytest.param(reusing_its_buffer, b"abcdefghijkl", id="a buffer used again"),
        ],
    )
    def test_bytes_are_what_was_written(self, store: Inventory, pieces: Callable[[], Any], expected: bytes) -> None:
        file = receive(store, pieces())
        assert content(store, file) == expected
        self.assert_holds(store, file)

    def test_large_file_comes_back_whole(self, store: Inventory, long: bool) -> None:
        piece = os.urandom(1024 * 1024)
        file = receive(store, (piece[number:] for number in range(300 if long else 3)))
        digest, size = hashlib.sha256(), 0
        with store.open(BUCKET, file.blob) as reader:
            while read := reader.read(100_000):
                digest.update(read)
                size += len(read)
        assert (size, digest.hexdigest()) == (file.size, file.sha256)

    def test_readers_have_places_of_their_own_and_cannot_write(self, store: Inventory) -> None:
        file = put(store, data=b"0123456789")
        with store.open(BUCKET, file.blob) as one, store.open(BUCKET, file.blob) as other:
            assert one.read(4) == b"0123"
            other.seek(8)
            assert (one.read(4), other.read(4), other.read(4)) == (b"4567", b"89", b"")
            assert not one.writable()

    @pytest.mark.parametrize("end", ["replaced", "removed", "bucket removed", "bucket purged"])
    def test_open_reader_goes_on_whatever_happens_to_the_file(self, store: Inventory, end: str) -> None:
        file = put(store, data=b"first")
        with store.open(BUCKET, file.blob) as reader:
            assert reader.read(2) == b"fi"
            if end == "replaced":
                put(store, data=b"second")
            elif end == "removed":
                store.remove(BUCKET, "cat.jpg")
            else:
                store.remove_bucket(BUCKET)
            store.delete_blob(BUCKET, file.blob)
            if end == "bucket purged":
                purge(store, BUCKET.uid)
            assert reader.read() == b"rst"

    def test_bytes_are_listed_measured_and_known_by_their_sidecar(self, store: Inventory) -> None:
        old, new, other = put(store, data=b"old"), put(store, data=b"newer"), put(store, "dog.jpg", b"")
        assert sorted(store.blobs(BUCKET)) == sorted(file.blob for file in (old, new, other))
        assert [store.blob_size(BUCKET, file.blob) for file in (old, new, other)] == [3, 5, 0]
        assert [store.is_named(BUCKET, file.blob) for file in (old, new, other)] == [False, True, True]
        store.remove(BUCKET, "dog.jpg")
        assert not store.is_named(BUCKET, other.blob)
        store.delete_blob(BUCKET, old.blob)
        assert store.blob_size(BUCKET, old.blob) is None
        assert sorted(store.blobs(BUCKET)) == sorted(file.blob for file in (new, other))

    def test_bytes_that_are_set_aside_are_there_no_more(self, store: Inventory) -> None:
        stray, kept = put(store, data=b"stray"), put(store, data=b"kept")
        for _ in range(2):
            store.set_aside(BUCKET, stray.blob)
        assert list(store.blobs(BUCKET)) == [kept.blob]
        assert content(store, kept) == b"kept"
