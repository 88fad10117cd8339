"""What people and broken disks do under a living process: it goes on, and nothing that could be somebody's is lost."""

import shutil
from pathlib import Path

import pytest

from storage_app.blobstore import key_hash
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.intents import IntentKind
from storage_app.errors import BucketNotEmpty, FileNotFound, Unavailable
from storage_app.maintenance.recover import recover
from tests.support.core import ALICE, Core, open_core, shown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_bucket_that_came_back_keeps_its_rows(root: Path) -> None:
    """Moved away, forgotten by a rebuild, and moved back: the pending deletion of it is older than it is."""
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        before = shown(core)
        for source, target in ((root / "photos", root.parent / "aside"), (root.parent / "aside", root / "photos")):
            source.rename(target)
            recover(root, durable=False, rebuild_anyway=True)
        core.collect()
        assert shown(core) == before


def test_bucket_with_files_that_the_index_does_not_know_is_not_empty(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        with core.index.write() as transaction:
            transaction.drop_file(core.file("a.txt"))  # type: ignore[arg-type]
        with pytest.raises(BucketNotEmpty, match="holds files"):
            core.buckets.delete(ALICE, "photos", force=False)
        recover(root, durable=False, rebuild_anyway=True)
        core.check()


def test_refused_delete_is_no_proof_that_a_file_was_deleted(root: Path) -> None:
    """Its sidecar was lost before; its bytes and its row are what is left of it."""
    with open_core(root) as core:
        core.bucket()
        file, _ = core.put("a.txt", b"precious")
        next(root.glob("photos/*/*.json")).unlink()
        with pytest.raises(FileNotFound):
            core.files.delete(ALICE, "photos", "a.txt", conditions=UNCONDITIONAL)
        assert core.intents() == []
        core.collect()
        assert core.read(file) == b"precious"
        assert core.file("a.txt") == file


def test_record_that_cannot_be_read_holds_up_nobody_else(root: Path) -> None:
    with open_core(root) as core:
        core.bucket(quota=1000)
        core.put("a.txt")
        core.put("b.txt")
        sidecar = next(root.glob(f"photos/*/{key_hash('a.txt')}.json"))
        sidecar.unlink()
        sidecar.mkdir()
        with pytest.raises(Unavailable):
            core.put("a.txt", bytes(800))
        core.intent(IntentKind.WRITE, "b.txt", "bytes-that-never-came", process="dead")
        core.services.background.look()
        assert [intent.key for intent in core.intents()] == ["a.txt"]
        recovery = recover(root, durable=False, rebuild_anyway=True)
        assert len(recovery.damaged) > 0
    assert recover(root, durable=False).files is None
    sidecar.rmdir()


def test_note_that_a_database_brought_back_is_put_right(root: Path) -> None:
    """A server that lost its last transactions may bring back what a living process had cleared."""
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        core.intent(IntentKind.WRITE, "a.txt", "bytes-that-never-came")
        core.services.background.look()
        assert core.intents() == []


def test_store_is_opened_again_without_leaving_files_open(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        descriptors = Path("/proc/self/fd")
        before = len(list(descriptors.iterdir()))
        for _ in range(5):
            Core(core.storage).put("a.txt")
            shutil.rmtree(core.layout.alive)
        Core(core.storage).put("a.txt")
        assert len(list(descriptors.iterdir())) <= before + 2


@pytest.mark.parametrize("name", ["trash", "slots", "alive"])
def test_directory_that_somebody_removed_is_made_again(root: Path, name: str) -> None:
    with open_core(root) as core:
        core.bucket()
        core.put("a.txt")
        shutil.rmtree(core.layout.system / name)
        again = Core(core.storage)
        again.put("a.txt", b"new")
        again.buckets.delete(ALICE, "photos", force=True)
        assert not (root / "photos").exists()
        again.collect()
        again.bucket()
        again.check()
