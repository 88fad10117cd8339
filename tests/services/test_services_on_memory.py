"""The services over a store in memory, with a real index: what they do rests on the port alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL, File
from storage_app.domain.uploads import FileAttributes
from storage_app.errors import BucketNotEmpty, BucketNotFound, FileNotFound, Unavailable
from storage_app.maintenance.rebuild import Rebuilding
from storage_app.services.upload_bodies import Write
from tests.blobstore.memory_store import MemoryStore
from tests.support.core import ALICE, BOB, Core, on_disk, open_core, shown


class FailingStore(MemoryStore):
    """A store in memory whose next `place` fails at the step that `fail_at` names."""

    fail_at: str | None = None

    def place(self, *arguments: object) -> None:
        self._fail("before anything")
        super().place(*arguments)  # type: ignore[arg-type]
        self._fail("after the record")

    def _place_record(self, *arguments: object) -> None:
        self._fail("after the bytes")
        super()._place_record(*arguments)  # type: ignore[arg-type]

    def _fail(self, step: str) -> None:
        if self.fail_at == step:
            self.fail_at = None
            raise Unavailable("The store did not answer.")


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def core(store: FailingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """The services as they are wired, but for the store; it has one bucket."""
    monkeypatch.setattr("storage_app.node.open_store", lambda *_, **__: store)
    with open_core(tmp_path / "store") as core:
        core.bucket()
        yield core


def assert_agreed(core: Core, store: MemoryStore, files: int, size: int) -> None:
    """Assert that the index says what the store holds, that it is so much, and that nothing is left besides."""
    assert core.intents() == []
    core.collect()
    assert shown(core) == on_disk(core)
    assert core.totals() == Totals(files, size)
    assert store.leftovers() == []


def keys(core: Core, delimiter: str | None = None) -> list[str]:
    listed = core.files.list_by_key(ALICE, "photos", delimiter=delimiter, position=None, limit=100).entries
    return [entry.key if isinstance(entry, File) else entry.id for entry, _ in listed if entry is not None]


def test_services_use_the_store_that_they_are_given(core: Core, store: FailingStore) -> None:
    assert id(core.store) == id(store)
    core.put("a.txt")
    assert [path for path in core.root.iterdir() if path.name != ".system"] == []


def test_uploaded_files_are_read_and_listed(core: Core, store: FailingStore) -> None:
    files = [core.put(key, key.encode())[0] for key in ("a.txt", "dir/b.txt", "dir/c.txt")]
    for file in files:
        assert core.read(core.files.get(ALICE, "photos", file.key)[1]) == file.key.encode()
        assert core.files.locate(core.buckets.get(ALICE, "photos")[0], file) is None
    assert keys(core) == ["a.txt", "dir/b.txt", "dir/c.txt"]
    assert keys(core, delimiter="/") == ["a.txt", "dir/"]
    assert_agreed(core, store, 3, 23)


def test_overwritten_bytes_stay_for_who_reads_them_until_the_sweep(core: Core, store: FailingStore) -> None:
    before, after = core.put("a.txt", b"old")[0], core.put("a.txt", b"newer")[0]
    assert (core.read(before), core.read(after)) == (b"old", b"newer")
    assert core.collect() == 1
    with pytest.raises(FileNotFoundError):
        core.read(before)
    assert_agreed(core, store, 1, 5)


def test_edit_changes_the_record_alone(core: Core, store: FailingStore) -> None:
    file = core.put("a.txt")[0]
    changes = {"metadata": {"edited": True}, "content_type": "text/markdown"}
    edited = core.files.edit(ALICE, "photos", "a.txt", changes=changes, conditions=UNCONDITIONAL)[1]
    assert (edited.blob, edited.metadata, edited.content_type) == (
        file.blob,
        {"edited": True},
        "text/markdown; charset=utf-8",
    )
    assert store.read(core.buckets.get(ALICE, "photos")[0], "a.txt") == edited
    assert_agreed(core, store, 1, 3)


def test_deleted_file_is_gone(core: Core, store: FailingStore) -> None:
    core.put("a.txt")
    core.files.delete(ALICE, "photos", "a.txt", conditions=UNCONDITIONAL)
    with pytest.raises(FileNotFound):
        core.files.get(ALICE, "photos", "a.txt")
    assert keys(core) == []
    assert_agreed(core, store, 0, 0)


def test_deleted_bucket_is_gone_with_its_files(core: Core, store: FailingStore) -> None:
    core.put("a.txt")
    with pytest.raises(BucketNotEmpty):
        core.buckets.delete(ALICE, "photos", force=False)
    core.buckets.delete(ALICE, "photos", force=True)
    with pytest.raises(BucketNotFound):
        core.buckets.get(ALICE, "photos")
    core.bucket()
    assert keys(core) == []
    assert_agreed(core, store, 0, 0)


def test_changed_bucket_lets_others_in(core: Core, store: FailingStore) -> None:
    core.buckets.change(ALICE, "photos", {"is_public": True})
    assert core.put("a.txt", by=BOB)[0].owner_id == "bob"
    assert_agreed(core, store, 1, 3)


def test_upload_that_breaks_off_leaves_nothing(core: Core, store: FailingStore) -> None:
    def break_off(_: Write) -> None:
        raise ConnectionResetError

    before = core.put("a.txt", b"old")[0]
    with pytest.raises(ConnectionResetError):
        core.send("a.txt", b"half", meanwhile=break_off, size=100, overwrite=True)
    assert core.file("a.txt") == before
    assert_agreed(core, store, 1, 3)


def test_upload_into_a_bucket_deleted_meanwhile_leaves_nothing(core: Core, store: FailingStore) -> None:
    def make_again(_: Write) -> None:
        core.buckets.delete(ALICE, "photos", force=True)
        core.bucket()

    with pytest.raises(BucketNotFound):
        core.send("a.txt", b"abc", meanwhile=make_again)
    assert_agreed(core, store, 0, 0)


@pytest.mark.parametrize("there", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize(
    ("step", "placed"), [("before anything", False), ("after the bytes", False), ("after the record", True)]
)
def test_failed_place_is_put_right(core: Core, store: FailingStore, step: str, placed: bool, there: bool) -> None:
    before = core.put("a.txt", b"old")[0] if there else None
    store.fail_at = step
    with pytest.raises(Unavailable):
        core.put("a.txt", b"newer")
    file = core.file("a.txt")
    if placed:
        assert file is not None
        assert core.read(file) == b"newer"
        assert_agreed(core, store, 1, 5)
    else:
        assert file == before
        assert_agreed(core, store, int(there), 3 if there else 0)
    assert core.put("a.txt", b"again")[0].size == 5
    assert_agreed(core, store, 1, 5)


@pytest.mark.parametrize(("step", "edited"), [("before anything", False), ("after the record", True)])
def test_failed_edit_is_put_right(core: Core, store: FailingStore, step: str, edited: bool) -> None:
    core.put("a.txt", attributes=FileAttributes(filename="old"))
    store.fail_at = step
    with pytest.raises(Unavailable):
        core.files.edit(ALICE, "photos", "a.txt", changes={"filename": "new"}, conditions=UNCONDITIONAL)
    file = core.file("a.txt")
    assert file is not None
    assert file.filename == ("new" if edited else "old")
    assert_agreed(core, store, 1, 3)


def test_index_is_made_again_from_the_store(core: Core, store: FailingStore) -> None:
    for key in ("a.txt", "b.txt", "a.txt"):
        core.put(key)
    core.bucket("other")
    core.put("c.txt", to="other")
    before = shown(core)
    rebuilding = Rebuilding(core.index, store)
    rebuilding.fill()
    assert (rebuilding.files, rebuilding.total, rebuilding.damaged) == (3, 3, [])
    assert shown(core) == before
    assert_agreed(core, store, 2, 6)


def test_files_are_copied_and_moved(core: Core, store: FailingStore) -> None:
    """The store shares no bytes, so they are copied through the port."""
    core.put("a", b"abc")
    core.bucket("other")
    core.services.copies.copy(ALICE, CopyRequest(Place("photos", "a"), Place("photos", "b")))
    core.services.copies.move(ALICE, CopyRequest(Place("photos", "a"), Place("other", "c")))
    assert (core.file("a"), core.totals("other")) == (None, Totals(1, 3))
    for key, bucket in (("b", "photos"), ("c", "other")):
        file = core.file(key, bucket=bucket)
        assert file is not None
        assert core.read(file, bucket=bucket) == b"abc"
    assert_agreed(core, store, files=1, size=3)
