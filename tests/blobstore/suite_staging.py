"""What every store must do with records and bytes that are on their way in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from storage_app.blobstore import Inventory, new_blob_name
from storage_app.domain.files import File
from storage_app.errors import Unavailable
from tests.blobstore.suite_part import PATIENCE, SuitePart
from tests.support.core import a_bucket, a_file
from tests.support.stores import BUCKET, BrokenStreamError, collect, content, copy, edit, listed, put, receive


def failing(error: type[BaseException], *pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise error


class OfStaging(SuitePart):
    @pytest.mark.parametrize("there", [False, True], ids=["new", "overwrite"])
    def test_nothing_is_seen_before_it_is_placed(self, store: Inventory, there: bool) -> None:
        before = [put(store)] if there else []
        new = a_file("cat.jpg", size=0, blob=new_blob_name("cat.jpg"))
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, new, blob) as sidecar:
            assert sidecar.file == new
            assert store.read(BUCKET, "cat.jpg") == (before[0] if there else None)
            assert listed(store) == before
            assert list(store.replaced_blobs(BUCKET)) == []
            with pytest.raises(FileNotFoundError):
                store.open(BUCKET, new.blob)
        self.assert_holds(store, *before)

    @pytest.mark.parametrize("ended", [False, True])
    @pytest.mark.parametrize("raised", [None, ValueError, KeyboardInterrupt])
    def test_what_is_not_placed_is_discarded_on_leaving(
        self, store: Inventory, raised: type[BaseException] | None, ended: bool
    ) -> None:
        old = put(store)
        new = replace(old, blob=new_blob_name("cat.jpg"))
        with pytest.raises(raised) if raised else nullcontext(), store.stage(BUCKET) as blob:
            blob.write(b"abc")
            with store.stage_sidecar(BUCKET, new, blob if ended else None):
                assert len(list(self.leftovers(store))) == 2
                if raised:
                    raise raised
        self.assert_holds(store, old)

    def test_what_was_adopted_is_placed_as_what_was_written(self, store: Inventory, tmp_path: Path) -> None:
        source = tmp_path / "0000000001"
        source.write_bytes(b"spooled")
        file = a_file("cat.jpg", size=7, blob=new_blob_name("cat.jpg"))
        with (
            source.open("rb") as opened,
            store.adopt(BUCKET, opened) as blob,
            store.stage_sidecar(BUCKET, file, blob) as sidecar,
        ):
            store.place(BUCKET, sidecar, blob)
        source.unlink(missing_ok=True)
        assert content(store, file) == b"spooled"
        self.assert_holds(store, file)

    def test_what_was_adopted_and_not_placed_is_discarded(self, store: Inventory, tmp_path: Path) -> None:
        source = tmp_path / "0000000001"
        source.write_bytes(b"spooled")
        with source.open("rb") as opened, store.adopt(BUCKET, opened):
            pass
        self.assert_holds(store)

    @pytest.mark.parametrize("shared", [True, False])
    @pytest.mark.parametrize("data", [b"", b"0123456789" * 1234])
    def test_copy_has_the_bytes_of_its_source(self, store: Inventory, data: bytes, shared: bool) -> None:
        file = put(store, data=data)
        copied = copy(store, file, "dog.jpg", shared=shared)
        assert content(store, copied) == content(store, file) == data
        self.assert_holds(store, file, copied)

    @pytest.mark.parametrize("end", ["replaced", "removed", "copied over"])
    def test_copy_outlives_its_source(self, store: Inventory, end: str) -> None:
        file = put(store, data=b"source")
        copied = copy(store, file, "dog.jpg")
        left = [copied]
        if end == "removed":
            store.remove(BUCKET, file.key)
        else:
            left.append(put(store, data=b"new") if end == "replaced" else copy(store, put(store, "a"), file.key))
        collect(store, file)
        assert content(store, copied) == b"source"
        for each in left:
            assert store.read(BUCKET, each.key) == each

    def test_copy_into_another_bucket_is_a_file_of_that_one(self, store: Inventory) -> None:
        other = a_bucket("other")
        store.create_bucket(other)
        file = put(store, data=b"source")
        copied = copy(store, file, "dog.jpg", to=other)
        assert listed(store, other) == [copied]
        assert content(store, copied, other) == b"source"
        self.assert_holds(store, file)

    def test_copy_that_is_not_placed_leaves_nothing(self, store: Inventory) -> None:
        file = put(store)
        with store.share(BUCKET, BUCKET, file.blob) or store.stage(BUCKET):
            pass
        self.assert_holds(store, file)

    def test_missing_blob_cannot_be_copied(self, store: Inventory) -> None:
        with pytest.raises(FileNotFoundError):
            store.share(BUCKET, BUCKET, new_blob_name("cat.jpg"))
        self.assert_holds(store)

    def test_what_is_placed_is_not_discarded(self, store: Inventory) -> None:
        file = a_file("cat.jpg", size=0)
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, file, blob) as sidecar:
            store.place(BUCKET, sidecar, blob)
            for staged in (blob, sidecar, blob, sidecar):
                staged.discard()
        self.assert_holds(store, file)

    @pytest.mark.parametrize("lost", ["bytes", "record"])
    def test_what_was_discarded_cannot_be_placed(self, store: Inventory, lost: str) -> None:
        old = put(store)
        new = replace(old, blob=new_blob_name("cat.jpg"), size=0)
        with store.stage(BUCKET) as blob, store.stage_sidecar(BUCKET, new, blob) as sidecar:
            for staged in (blob, blob) if lost == "bytes" else (sidecar, sidecar):
                staged.discard()
            with pytest.raises(Unavailable):
                store.place(BUCKET, sidecar, blob)
        # A caller whose write failed removes the bytes that it had recorded; they may have been placed or not.
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
        self, store: Inventory, pieces: Callable[[], Any], promised: int, raised: type[BaseException], there: bool
    ) -> None:
        before = [put(store, data=b"old")] if there else []
        with pytest.raises(raised):
            receive(store, pieces(), promised=promised)
        self.assert_holds(store, *before)
        after = receive(store, [b"abc"], promised=3)
        collect(store)
        self.assert_holds(store, after)

    def test_slow_stream_keeps_nobody_waiting(self, store: Inventory) -> None:
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
        collect(store, other)
        self.assert_holds(store, last)
