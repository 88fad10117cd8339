"""Starts on a store that is damaged, or may not be read or written: said in a sentence, and nothing else suffers."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage_app.blobstore import key_hash
from storage_app.domain.files import File
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import StorageError, StoreUnusable
from storage_app.maintenance.recover import recover
from tests.support.core import ALICE, open_core, shown

NOBODY_UID = 65534


@pytest.fixture
def root(two_files: Path) -> Path:
    return two_files


def test_damaged_sidecar_with_a_note_does_not_keep_the_store_from_starting(root: Path) -> None:
    with open_core(root) as core:
        uid = core.buckets.get(ALICE, "photos")[0].uid
        with core.index.write() as transaction:
            transaction.add_intent(Intent("dead", IntentKind.WRITE, uid, "bad.txt"))
    next(root.glob(f"photos/*/{key_hash('bad.txt')}.json")).write_bytes(b"")
    recover(root, durable=False)
    with open_core(root) as core:
        assert core.file("good.txt") is not None


def assert_one_sentence(error: StorageError, *, naming: str) -> None:
    assert naming in error.detail
    assert error.detail.endswith(".")
    assert "\n" not in error.detail
    assert "Errno" not in error.detail


@pytest.mark.parametrize("where", ["a file", "in a file", "where nothing can be made"])
def test_storage_path_that_cannot_be_used_is_one_sentence(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("x")
    path = {
        "a file": tmp_path / "file",
        "in a file": tmp_path / "file" / "store",
        "where nothing can be made": Path("/proc/store"),
    }[where]
    with pytest.raises(StoreUnusable) as refused:
        recover(path, durable=False)
    assert_one_sentence(refused.value, naming=f"STORAGE_PATH={path}")


@pytest.mark.parametrize("name", ["last-start.json.new", "store.json.new", "start.lock"])
def test_system_file_that_cannot_be_written_is_one_sentence(root: Path, name: str) -> None:
    path = root / ".system" / name
    (root / ".system" / "store.json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(StorageError) as refused:
        recover(root, durable=False)
    assert_one_sentence(refused.value, naming="")


def test_linked_bucket_stops_the_start_and_is_named(root: Path, tmp_path: Path) -> None:
    """The index would serve it until a rebuild loses it."""
    (root / "photos").rename(tmp_path / "elsewhere")
    (root / "photos").symlink_to(tmp_path / "elsewhere")
    for rebuild_anyway in (False, True):
        with pytest.raises(StoreUnusable) as refused:
            recover(root, durable=False, rebuild_anyway=rebuild_anyway)
        assert_one_sentence(refused.value, naming="links to directories, which are not followed: photos.")


def test_directories_that_are_no_buckets_are_named_by_the_start(root: Path) -> None:
    assert recover(root, durable=False).foreign == ()
    for number in range(7):
        (root / f"old-{number}").mkdir()
    assert len(recover(root, durable=False).foreign) == 5


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody for a while, where we are root: for whom nothing is forbidden."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY_UID)
    os.seteuid(NOBODY_UID)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that nobody can reach, with a store of theirs in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with open_core(folder / "store") as core:
        core.bucket()
        core.put("good.txt", b"good")
    if os.geteuid() == 0:
        for path in [folder / "store", *(folder / "store").rglob("*")]:
            os.chown(path, NOBODY_UID, NOBODY_UID)
    yield folder / "store"
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def test_storage_path_of_another_user_is_one_sentence(reachable: Path) -> None:
    staging = reachable / ".system" / "staging"
    staging.chmod(0)
    with unprivileged(), pytest.raises(StoreUnusable) as refused:
        recover(reachable, durable=False)
    assert_one_sentence(refused.value, naming="make it a directory that the user of this service owns")


def test_folder_that_may_not_be_read_does_not_keep_the_store_from_starting(reachable: Path) -> None:
    """Every ext4 volume has such a one at its top: lost+found."""
    (reachable / "lost+found").mkdir()
    (reachable / "lost+found").chmod(0)
    with unprivileged():
        recovery = recover(reachable, durable=False, rebuild_anyway=True)
        assert recovery.files == 1
        with open_core(reachable) as core:
            _, (file,) = shown(core)["photos"]
            assert isinstance(file, File)
            assert core.read(file) == b"good"
