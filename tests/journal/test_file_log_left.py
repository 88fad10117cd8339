"""Intents that stand in intent logs: what becomes of them, and of what they are about, when their process is dead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import FileExists, Unavailable
from storage_app.host.layout import Layout
from storage_app.journal.file_log import FileLogs
from storage_app.maintenance import recover as maintenance
from storage_app.maintenance.scan import Check
from tests.support.core import ALICE, Core, a_file, open_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(tmp_path / "store") as core:
        core.bucket()
        yield core


def place(core: Core, bucket: Bucket, file: File, content: bytes) -> None:
    """Do what a write does on the disk, and no more."""
    with core.store.stage(bucket) as staged:
        staged.write(content)
        with core.store.stage_sidecar(bucket, file, staged) as sidecar:
            core.store.place(bucket, sidecar, staged)
            core.store.sync(bucket, file.key)


@pytest.fixture
def cut_short(core: Core) -> File:
    """A file whose writer was killed before its COMMIT."""
    bucket = core.buckets.get(ALICE, "photos")[0]
    file = a_file("new.txt", bucket_uid=bucket.uid)
    FileLogs(core.layout.intents).of("dead").record(Intent("dead", IntentKind.WRITE, bucket.uid, "new.txt", file.blob))
    place(core, bucket, file, b"abc")
    return file


def test_row_is_made_to_agree_though_the_write_is_refused(core: Core, cut_short: File) -> None:
    """Who is told that the file is there must find it there."""
    with pytest.raises(FileExists):
        core.put("new.txt", overwrite=False)
    assert core.file("new.txt") == cut_short
    core.services.background.look()
    core.check()


def test_notes_of_a_gone_process_stay_until_they_are_put_right(
    core: Core, cut_short: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the index is away")

    with monkeypatch.context() as patched:
        patched.setattr("storage_app.journal.recovery.reconcile_intent", refuse)
        core.recovery.recover_dead()
    assert [intent.key for intent in core.intents()] == ["new.txt"]
    assert core.recovery.recover_dead() == 1
    assert core.file("new.txt") == cut_short
    core.check()


def test_notebook_that_cannot_be_read_holds_up_nobody_else(
    core: Core, cut_short: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    (core.layout.intents / ".snapshot").mkdir()
    (core.layout.intents / "folder").mkdir()
    FileLogs(core.layout.intents).of("another").record(Intent("another", IntentKind.WRITE, "no-such-uid", "a"))
    real = FileLogs.read

    def read(file_logs: FileLogs, process: str) -> Iterator[Intent]:
        if process == "another":
            raise Unavailable("it cannot be read")
        return real(file_logs, process)

    with monkeypatch.context() as patched:
        patched.setattr(FileLogs, "read", read)
        core.recovery.recover_dead()
    assert core.file("new.txt") == cut_short
    assert [intent.process for intent in core.intents()] == ["another"]
    core.recovery.recover_dead()
    core.check()
    for name in (".snapshot", "folder"):
        (core.layout.intents / name).rmdir()


def test_stop_in_order_leaves_no_notebook_but_one_that_is_owed(tmp_path: Path) -> None:
    file_logs = FileLogs(Layout(tmp_path / "store").intents)
    with open_core(tmp_path / "store") as core:
        core.bucket()
        core.put("a.txt")
        assert file_logs.processes() == [core.commits.process]
    assert file_logs.processes() == []
    with open_core(tmp_path / "store") as core:
        core.put("a.txt")
        core.logs._file.record(Intent(core.commits.process, IntentKind.WRITE, "no-such-uid", "a"))
    assert [intent.key for intent in file_logs.open_intents()] == ["a"]


def test_stop_while_a_note_stands_is_no_clean_one(core: Core, cut_short: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut may take the intent log: the next boot must not believe the index."""
    core.storage.stop()
    maintenance.mark_clean_stop(core.root)
    FileLogs(core.layout.intents).remove("dead")
    monkeypatch.setattr(maintenance, "boot_id", lambda: "another boot")
    with open_core(core.root) as after:
        assert after.file("new.txt") == cut_short
        after.check()


def test_check_knows_bytes_that_a_notebook_names(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "photos")[0]
    blob = new_blob_name("new.txt")
    file, _ = core.put("old.txt")
    path = next(core.root.glob(f"photos/*/{file.blob}"))
    (path.parent / blob).write_bytes(b"abc")
    check = Check(core.index, core.store, core.resumables, core.commits, core.logs, repair=False)
    assert len(list(check.findings())) == 1
    FileLogs(core.layout.intents).of("dead").record(Intent("dead", IntentKind.WRITE, bucket.uid, "new.txt", blob))
    assert list(check.findings()) == []


def test_probe_finds_out_that_notes_cannot_be_written(core: Core) -> None:
    core.logs.probe()
    assert core.intents() == []
    core.logs.close()
    with pytest.raises(Unavailable):
        core.logs.probe()
