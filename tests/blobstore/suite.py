"""What every store must do, told through the port alone. A subclass says which store, and what it has left over."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise
from threading import Event
from typing import Any

import pytest

from storage_app.blobstore import BlobStore, StagedBlob, key_hash, new_blob_name
from storage_app.domain import File, Grant
from storage_app.errors import BucketExists, BucketNotFound, Unavailable
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.stores import BUCKET, BrokenStreamError, content, edit, listed, put, receive, sweep

PATIENCE = 30  # seconds that a thread may wait for what takes an instant

KEYS = [
    *("a", "A", "a/b", "a/B", "a/b/c", "a/b.json", "a.json", "b/a", "cat.JPG", "cat.jpg"),  # case, and folders
    *("..a", "a..", ".bucket.json", ".system", "...", "con", "-", "~", " ", " a", "a "),
    *("it's", '"quoted"', "50%", "%2e%2e", "a%2Fb", "%00", "a\\b", "a\\..\\b", "?*", "<a>|:", "a;b&c#d", "$(a)`b`"),
    *(
        "猫/写真.png",
        "кот",
        "قطة",
        "👩‍👩‍👧.png",
        "caf\u00e9",
        "cafe\u0301",
        "\u202ecat",
    ),  # composed and not, and turned
    *("x" * 1024, "👍" * 256, "x/" * 511 + "xx", key_hash("a"), f"{key_hash('a')}.json"),
]


def failing(error: type[BaseException], *pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise error


def reusing_its_buffer() -> Iterator[Any]:
    """Give the same buffer with other bytes each time, as a reader into memory of its own does."""
    buffer = bytearray(4)
    for piece in (b"abcd", b"efgh", b"ijkl"):
        buffer[:] = piece
        yield memoryview(buffer)
    buffer[:] = b"!!!!"


def version(number: int) -> dict[str, Any]:
    """Return what `put` is given for a version of a file: record and bytes that fit no other version."""
    data = f"{number} ".encode() * (number % 50 + 1)
    return {
        "data": data,
        "blob": f"{key_hash('cat.jpg')}-{number:020x}-",
        "sha256": hashlib.sha256(data).hexdigest(),
        "metadata": {"number": number, "padding": "x" * (number % 7 * 500)},
    }


def read_versions(store: BlobStore, changes: int, *, may_be_absent: bool) -> None:
    """Read one file until so many versions of it were seen: each must be whole, and none older than one before."""
    seen, deadline = {-1}, time.monotonic() + PATIENCE
    while len(seen) <= changes:
        assert time.monotonic() < deadline, f"{len(seen)} versions seen"
        file = store.read(BUCKET, "cat.jpg")
        if file is None:
            assert may_be_absent
            continue
        number = file.metadata["number"]
        expected = version(number)
        assert content(store, file) == expected.pop("data")
        assert file == a_file("cat.jpg", size=file.size, **expected)
        assert number >= max(seen)
        if number not in seen:
            seen.add(number)
            deadline = time.monotonic() + PATIENCE


def list_beside_writers(store: BlobStore, changes: int, standing: list[File]) -> None:
    """List the bucket until so many states of it were seen; what stands must be in each list, once."""
    seen: set[tuple[str, ...]] = set()
    deadline = time.monotonic() + PATIENCE
    while len(seen) < changes:
        assert time.monotonic() < deadline, f"{len(seen)} states seen"
        files = listed(store)
        assert [file for file in files if file.key.startswith("standing")] == standing
        state = tuple(file.blob for file in files)
        if state not in seen:
            seen.add(state)
            deadline = time.monotonic() + PATIENCE


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads take turns after a few steps instead of after many, so that they meet in narrow places, too."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class BlobStoreSuite:
    """Subclass it with a `store` that is empty, and say what lies in it unexplained."""

    @pytest.fixture
    def empty_store(self) -> BlobStore:
        raise NotImplementedError

    def leftovers(self, store: Any) -> Iterable[object]:
        """Whatever the store holds that is neither a record nor the bytes that one names."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, empty_store: BlobStore) -> BlobStore:
        empty_store.create_bucket(BUCKET)
        empty_store.settle_bucket(BUCKET)
        return empty_store

    def assert_holds(self, store: BlobStore, *files: File) -> None:
        """Assert that these are the bucket's files, with their bytes, and that nothing else is in the store."""
        assert listed(store) == sorted(files, key=lambda file: file.key)
        for file in files:
            assert store.read(BUCKET, file.key) == file
            assert len(content(store, file)) == file.size
        assert list(store.replaced_blobs(BUCKET)) == []
        assert list(store.removed_buckets()) == []
        assert list(self.leftovers(store)) == []

    # Records

    def test_file_is_read_as_it_was_placed(self, store: BlobStore) -> None:
        fields: dict[str, Any] = {
            "filename": "ü \"'.txt",
            "content_type": "text/html; charset=utf-8",
            "cache_control": "no-store",
        }
        metadata = {"": None, "ключ": [1, 2.5, True, {"deep": "\u0000\n\U0001f408"}]}
        file = put(store, metadata=metadata, updated_at=A_TIME + timedelta(microseconds=1), **fields)
        assert store.read(BUCKET, "cat.jpg") == file
        assert content(store, file) == b"abc"
        self.assert_holds(store, file)

    def test_what_is_absent_is_said_to_be_and_may_be_removed(self, store: BlobStore) -> None:
        for bucket in (BUCKET, a_bucket("never-made")):
            assert store.read(bucket, "cat.jpg") is None
            assert list(store.files(bucket)) == []
            assert list(store.replaced_blobs(bucket)) == []
            with pytest.raises(FileNotFoundError):
                store.open(bucket, new_blob_name("cat.jpg"))
            store.delete_blob(bucket, new_blob_name("cat.jpg"))
            store.settle(bucket, "cat.jpg")
            store.settle_bucket(bucket)
        store.remove(BUCKET, "cat.jpg")
        with pytest.raises(BucketNotFound):
            store.remove(a_bucket("never-made"), "cat.jpg")
        assert store.read_bucket("never-made") is None
        self.assert_holds(store)

    def test_overwrite_replaces_the_record_and_keeps_the_old_bytes(self, store: BlobStore) -> None:
        other, versions = put(store, "dog.jpg"), [put(store, data=data) for data in (b"first", b"second", b"third")]
        assert store.read(BUCKET, "cat.jpg") == versions[-1]
        assert [content(store, file) for file in versions] == [b"first", b"second", b"third"]
        assert sorted(store.replaced_blobs(BUCKET)) == sorted(("cat.jpg", file.blob) for file in versions[:-1])
        sweep(store)
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, versions[0].blob)
        self.assert_holds(store, versions[-1], other)

    def test_edit_replaces_the_record_and_leaves_the_bytes(self, store: BlobStore) -> None:
        edited = edit(store, replace(put(store), metadata={"edited": True}))
        assert content(store, edited) == b"abc"
        self.assert_holds(store, edited)

    def test_restaged_record_is_the_one_that_is_placed(self, store: BlobStore) -> None:
        file = put(store)
        for filename in ("staged again", file.filename):
            again = replace(file, filename=filename)
            with store.stage_sidecar(BUCKET, file) as sidecar:
                sidecar.restage(again)
                assert sidecar.file == again
                store.place(BUCKET, sidecar, None)
                assert sidecar.file == again
            self.assert_holds(store, again)

    def test_remove_takes_the_record_and_leaves_the_bytes(self, store: BlobStore) -> None:
        file, other = put(store), put(store, "dog.jpg")
        for _ in range(2):
            store.remove(BUCKET, "cat.jpg")
            store.settle(BUCKET, "cat.jpg")
        assert store.read(BUCKET, "cat.jpg") is None
        assert content(store, file) == b"abc"
        assert list(store.replaced_blobs(BUCKET)) == []  # without a record nobody knows what they are
        for _ in range(2):
            store.delete_blob(BUCKET, file.blob)
        self.assert_holds(store, other)

    def test_bytes_are_not_replaced_ones_where_the_new_ones_are_missing(self, store: BlobStore) -> None:
        old, new = put(store), put(store)
        store.delete_blob(BUCKET, new.blob)
        assert list(store.replaced_blobs(BUCKET)) == []
        assert content(store, old) == b"abc"

    def test_store_keeps_copies_of_what_it_is_given_and_gives(self, store: BlobStore) -> None:
        file = put(store, metadata={"tags": ["cat"]})
        given, read = file.metadata, store.read(BUCKET, "cat.jpg")
        assert read is not None
        for metadata in (given, read.metadata):
            metadata["tags"].append("changed")
        self.assert_holds(store, replace(file, metadata={"tags": ["cat"]}))

    def test_record_of_another_bucket_counts_as_none(self, store: BlobStore) -> None:
        foreign = put(store, "foreign", bucket_uid="another")
        assert store.read(BUCKET, "foreign") is None
        assert listed(store) == []
        assert list(store.replaced_blobs(BUCKET)) == []
        file, other = put(store), replace(BUCKET, uid="another-uid")
        assert store.read(other, "cat.jpg") is None
        assert listed(store, other) == []
        store.remove(BUCKET, "foreign")
        sweep(store, foreign)
        self.assert_holds(store, file)

    def test_every_key_has_a_file_of_its_own(self, store: BlobStore) -> None:
        files = {key: put(store, key, key.encode()) for key in KEYS}
        assert len(files) == len(KEYS)
        self.assert_holds(store, *files.values())
        for key in KEYS:
            assert content(store, files[key]) == key.encode()
            store.remove(BUCKET, key)
            store.delete_blob(BUCKET, files.pop(key).blob)
            assert [file.key for file in listed(store)] == sorted(files)
        self.assert_holds(store)

    # Bytes

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
    def test_bytes_are_what_was_written(self, store: BlobStore, pieces: Callable[[], Any], expected: bytes) -> None:
        file = receive(store, pieces())
        assert content(store, file) == expected
        self.assert_holds(store, file)

    def test_large_file_comes_back_whole(self, store: BlobStore, long: bool) -> None:
        piece = os.urandom(1024 * 1024)
        file = receive(store, (piece[number:] for number in range(300 if long else 3)))
        digest, size = hashlib.sha256(), 0
        with store.open(BUCKET, file.blob) as reader:
            while read := reader.read(100_000):
                digest.update(read)
                size += len(read)
        assert (size, digest.hexdigest()) == (file.size, file.sha256)

    def test_readers_have_places_of_their_own_and_cannot_write(self, store: BlobStore) -> None:
        file = put(store, data=b"0123456789")
        with store.open(BUCKET, file.blob) as one, store.open(BUCKET, file.blob) as other:
            assert one.read(4) == b"0123"
            other.seek(8)
            assert (one.read(4), other.read(4), other.read(4)) == (b"4567", b"89", b"")
            assert not one.writable()

    @pytest.mark.parametrize("end", ["replaced", "removed", "bucket removed", "bucket purged"])
    def test_open_reader_goes_on_whatever_happens_to_the_file(self, store: BlobStore, end: str) -> None:
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
                store.purge_bucket(BUCKET.uid)
            assert reader.read() == b"rst"

    # On the way in

    @pytest.mark.parametrize("there", [False, True], ids=["new", "overwrite"])
    def test_nothing_is_seen_before_it_is_placed(self, store: BlobStore, there: bool) -> None:
        before = [put(store)] if there else []
        new = a_file("cat.jpg", size=0, blob=new_blob_name("cat.jpg"))
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, new) as sidecar:
            blob.seal()
            assert sidecar.file == new
            assert store.read(BUCKET, "cat.jpg") == (before[0] if there else None)
            assert listed(store) == before
            assert list(store.replaced_blobs(BUCKET)) == []
            with pytest.raises(FileNotFoundError):
                store.open(BUCKET, new.blob)
        self.assert_holds(store, *before)

    @pytest.mark.parametrize("sealed", [False, True])
    @pytest.mark.parametrize("raised", [None, ValueError, KeyboardInterrupt])
    def test_what_is_not_placed_is_discarded_on_leaving(
        self, store: BlobStore, raised: type[BaseException] | None, sealed: bool
    ) -> None:
        old = put(store)
        with (
            pytest.raises(raised) if raised else nullcontext(),
            store.stage(BUCKET) as blob,
            store.stage_sidecar(BUCKET, replace(old, blob=new_blob_name("cat.jpg"))),
        ):
            blob.write(b"abc")
            if sealed:
                blob.seal()
            assert len(list(self.leftovers(store))) == 2
            if raised:
                raise raised
        self.assert_holds(store, old)

    def test_what_is_placed_is_not_discarded(self, store: BlobStore) -> None:
        file = a_file("cat.jpg", size=0)
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, file) as sidecar:
            blob.seal()
            store.place(BUCKET, sidecar, blob)
            for staged in (blob, sidecar, blob, sidecar):
                staged.discard()
        self.assert_holds(store, file)

    @pytest.mark.parametrize("lost", ["bytes", "record"])
    def test_what_was_discarded_cannot_be_placed(self, store: BlobStore, lost: str) -> None:
        old = put(store)
        new = replace(old, blob=new_blob_name("cat.jpg"), size=0)
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, new) as sidecar:
            blob.seal()
            for staged in (blob, blob) if lost == "bytes" else (sidecar, sidecar):
                staged.discard()
            with pytest.raises(Unavailable):
                store.place(BUCKET, sidecar, blob)
        # A caller whose write failed removes the bytes that it had noted; they may have been placed or not.
        store.delete_blob(BUCKET, new.blob)
        self.assert_holds(store, old)

    @pytest.mark.parametrize("there", [False, True], ids=["new", "overwrite"])
    @pytest.mark.parametrize(
        ("pieces", "promised", "raised"),
        [
            pytest.param(lambda: [b"abc"], 10, BrokenStreamError, id="short"),
            pytest.param(lambda: [b"abc", b"def"], 4, BrokenStreamError, id="long"),
            pytest.param(list, 1, BrokenStreamError, id="empty"),
            pytest.param(lambda: failing(OSError), 3, OSError, id="fails at once"),
            pytest.param(
                lambda: failing(ConnectionResetError, b"abc"), 6, ConnectionResetError, id="fails in the middle"
            ),
            pytest.param(lambda: failing(TimeoutError, b"ab", b"c"), 3, TimeoutError, id="fails after the last byte"),
            pytest.param(lambda: failing(KeyboardInterrupt, b"ab"), 3, KeyboardInterrupt, id="is interrupted"),
        ],
    )
    def test_stream_that_breaks_leaves_nothing(
        self, store: BlobStore, pieces: Callable[[], Any], promised: int, raised: type[BaseException], there: bool
    ) -> None:
        before = [put(store, data=b"old")] if there else []
        with pytest.raises(raised):
            receive(store, pieces(), promised=promised)
        self.assert_holds(store, *before)
        after = receive(store, [b"abc"], promised=3)
        sweep(store)
        self.assert_holds(store, after)

    def test_slow_stream_keeps_nobody_waiting(self, store: BlobStore) -> None:
        began, go_on = Event(), Event()

        def slow() -> Iterator[bytes]:
            yield b"ab"
            began.set()
            assert go_on.wait(PATIENCE)
            yield b"c"

        def meanwhile() -> tuple[File, File]:
            first, other = put(store, data=b"first"), put(store, "dog.jpg")
            assert content(store, first) == b"first"
            edited = edit(store, replace(first, metadata={"edited": True}))
            store.remove(BUCKET, other.key)
            store.replace_bucket(BUCKET)
            assert listed(store) == [edited]
            return first, other

        with ThreadPoolExecutor(2) as pool:
            arriving = pool.submit(receive, store, slow())
            try:
                assert began.wait(PATIENCE)
                first, other = pool.submit(meanwhile).result(PATIENCE)
            finally:
                go_on.set()
            last = arriving.result(PATIENCE)
        assert content(store, last) == b"abc"
        assert list(store.replaced_blobs(BUCKET)) == [("cat.jpg", first.blob)]
        sweep(store, other)
        self.assert_holds(store, last)

    # Buckets

    def test_bucket_is_read_as_it_was_made(self, store: BlobStore) -> None:
        made = a_bucket(
            "all-settings",
            is_public=True,
            description="ü",
            grants={"bob": Grant.WRITE, "@authenticated": Grant.READ},
            max_file_size=0,
            quota=2**62,
            allowed_content_types=("image/*", "text/plain"),
            cache_control="no-store",
        )
        store.create_bucket(made)
        store.settle_bucket(made)
        assert store.read_bucket("all-settings") == made
        assert sorted(store.buckets(), key=str) == sorted([made, BUCKET], key=str)
        changed = replace(made, grants={}, allowed_content_types=None, updated_at=A_TIME + timedelta(days=1))
        file = put(store, bucket=made)
        store.replace_bucket(changed)
        store.settle_bucket(changed)
        assert store.read_bucket("all-settings") == changed
        assert listed(store, changed) == [file]
        self.assert_holds(store)

    def test_bucket_is_made_once(self, store: BlobStore) -> None:
        file = put(store)
        for again in (BUCKET, replace(BUCKET, uid="another", owner_id="bob")):
            with pytest.raises(BucketExists):
                store.create_bucket(again)
            assert store.read_bucket("photos") == BUCKET
            self.assert_holds(store, file)

    def test_removed_bucket_is_gone_at_once_and_its_room_later(self, store: BlobStore) -> None:
        other = a_bucket("other")
        store.create_bucket(other)
        file, kept = put(store), put(store, bucket=other)
        for _ in range(2):
            store.remove_bucket(BUCKET)
            store.settle_bucket(BUCKET)
            store.settle(BUCKET, "cat.jpg")
        assert store.read_bucket("photos") is None
        assert list(store.buckets()) == [other]
        assert store.read(BUCKET, "cat.jpg") is None
        assert listed(store) == []
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, file.blob)
        assert list(store.removed_buckets()) == [BUCKET.uid]
        for uid in (BUCKET.uid, BUCKET.uid, "never-made"):
            store.purge_bucket(uid)
        assert listed(store, other) == [kept]
        self.assert_holds(store)

    def test_bucket_of_the_same_name_begins_empty(self, store: BlobStore) -> None:
        buckets = [BUCKET, *(replace(BUCKET, uid=uid) for uid in ("second", "third"))]
        for bucket, following in pairwise(buckets):
            file = put(store, bucket=bucket)
            store.remove_bucket(bucket)
            store.create_bucket(following)
            assert store.read_bucket("photos") == following
            assert store.read(bucket, "cat.jpg") is None
            assert store.read(following, "cat.jpg") is None
            assert listed(store, following) == []
            with pytest.raises(FileNotFoundError):
                store.open(following, file.blob)
        file = put(store, bucket=buckets[-1])
        assert sorted(store.removed_buckets()) == sorted([BUCKET.uid, "second"])
        store.purge_bucket("second")
        assert list(store.removed_buckets()) == [BUCKET.uid]
        store.purge_bucket(BUCKET.uid)
        assert listed(store, buckets[-1]) == [file]
        assert list(self.leftovers(store)) == []

    @pytest.mark.parametrize("with_bytes", [True, False])
    @pytest.mark.parametrize("removed", ["empty", "with the key in it", "after the record was staged"])
    def test_bucket_that_is_gone_takes_nothing(self, store: BlobStore, removed: str, with_bytes: bool) -> None:
        file = a_file("cat.jpg", size=0)
        if removed == "with the key in it":
            put(store)
        if removed != "after the record was staged":
            store.remove_bucket(BUCKET)
        with store.stage(BUCKET) as blob:
            blob.seal()
            with pytest.raises(BucketNotFound):
                self._place_after_removing(store, file, blob if with_bytes else None)
        assert store.read_bucket("photos") is None
        sweep(store)
        store.create_bucket(BUCKET)
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, file.blob)
        self.assert_holds(store)

    def test_bucket_made_again_takes_nothing_that_was_meant_for_the_first(self, store: BlobStore) -> None:
        """Its row may be older than what is there."""
        put(store)
        store.remove_bucket(BUCKET)
        again = replace(BUCKET, uid="another")
        store.create_bucket(again)
        file = put(store, bucket=again)
        for write in (
            lambda: put(store),
            lambda: put(store, "new"),
            lambda: store.remove(BUCKET, "cat.jpg"),
            lambda: store.replace_bucket(BUCKET),
        ):
            with pytest.raises(BucketNotFound):
                write()
        store.remove_bucket(BUCKET)
        assert store.read_bucket("photos") == again
        assert list(store.files(again)) == [file]
        assert store.read(BUCKET, "cat.jpg") is None

    def _place_after_removing(self, store: BlobStore, file: File, blob: StagedBlob | None) -> None:
        with store.stage_sidecar(BUCKET, file) as sidecar:
            store.remove_bucket(BUCKET)
            store.place(BUCKET, sidecar, blob)

    # Several at once

    @pytest.mark.parametrize("removing", [False, True])
    def test_readers_see_the_old_or_the_new_and_never_a_part(
        self, store: BlobStore, long: bool, removing: bool
    ) -> None:
        last = put(store, **version(0))
        with switching_often(), ThreadPoolExecutor(2) as pool:
            changes = 500 if long else 100
            readers = [pool.submit(read_versions, store, changes, may_be_absent=removing) for _ in range(2)]
            for number in count(1):
                if removing and number % 2:
                    store.remove(BUCKET, "cat.jpg")
                last = put(store, **version(number))
                if all(reader.done() for reader in readers):
                    break
            for reader in readers:
                reader.result()
        sweep(store)
        self.assert_holds(store, last)

    def test_lists_are_whole_while_others_write(self, store: BlobStore, long: bool) -> None:
        standing = [put(store, f"standing-{number}") for number in range(10)]
        moving = [f"moving-{number}" for number in range(5)]
        with switching_often(), ThreadPoolExecutor(1) as pool:
            lister = pool.submit(list_beside_writers, store, 500 if long else 50, standing)
            for number in count():
                store.remove(BUCKET, moving[number % 5])
                put(store, moving[number % 5])
                put(store, moving[number % 3])
                if lister.done():
                    break
            lister.result()
        last = [put(store, key) for key in moving]
        sweep(store)
        self.assert_holds(store, *standing, *last)

    def test_writers_of_different_keys_do_not_disturb_each_other(self, store: BlobStore) -> None:
        def write(writer: int) -> tuple[list[File], list[File]]:
            old = [put(store, f"{writer}/{number}", b"old") for number in range(10)]
            files = [put(store, f"{writer}/{number}", f"{writer} {number}".encode()) for number in range(10)]
            for file in files[::2]:
                store.remove(BUCKET, file.key)
            return [edit(store, replace(file, metadata={"writer": writer})) for file in files[1::2]], [
                *old,
                *files[::2],
            ]

        with switching_often(), ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, range(8), timeout=PATIENCE))
        kept = [file for files, _ in written for file in files]
        for file in kept:
            assert content(store, file).decode() == file.key.replace("/", " ")
        sweep(store, *(file for _, removed in written for file in removed))
        self.assert_holds(store, *kept)

    # What a store says of itself

    def test_probe_leaves_nothing(self, store: BlobStore) -> None:
        store.probe()
        self.assert_holds(store)

    def test_room_that_is_left_is_a_number_of_bytes_or_has_no_end(self, store: BlobStore) -> None:
        free = store.free_bytes()
        assert free is None or free > 0

    def test_place_of_bytes_is_below_the_store_or_nowhere(self, store: BlobStore) -> None:
        place = store.locate(BUCKET, put(store, "..a/it's 50%").blob)
        assert place is None or (place[0] != "/" and ".." not in place)
