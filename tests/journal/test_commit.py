"""Recovery: whatever step a write stops at, the rows agree with the sidecars afterwards, and nothing is left."""

from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from storage_app.domain.buckets import Grant
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.intents import IntentKind
from storage_app.errors import BucketNotFound, FileNotFound, Unavailable
from storage_app.index import Transaction, sqlite
from storage_app.journal.recovery import Recovery
from tests.support.core import ALICE, Core, open_core, open_storage


class Stopped(BaseException):
    """The end of a process, as far as the code under test can tell."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with open_core(tmp_path_factory.mktemp("core") / "store") as core:
        yield core


@pytest.fixture
def core(opened: Core) -> Iterator[Core]:
    opened.bucket()
    opened.bucket("capped", quota=100)
    opened.put("old.txt", b"old")
    yield opened
    opened.empty()


WRITES: dict[str, Callable[[Core], Any]] = {
    "create": lambda core: core.put("new.txt", b"new"),
    "create in a quota": lambda core: core.put("new.txt", b"new", to="capped"),
    "overwrite": lambda core: core.put("old.txt", b"newer"),
    "edit": lambda core: core.files.edit(
        ALICE, "photos", "old.txt", changes={"metadata": {"k": 1}}, conditions=UNCONDITIONAL
    ),
    "delete": lambda core: core.files.delete(ALICE, "photos", "old.txt", conditions=UNCONDITIONAL),
    "create bucket": lambda core: core.bucket("new"),
    "change bucket": lambda core: core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.READ}}),
    "delete bucket": lambda core: core.buckets.delete(ALICE, "photos", force=True),
}

# Of these the intent stands in the intent log; of the others it is a transaction of its own, before the one that
# decides.
JOTTED = {"create", "overwrite", "edit"}

# Of each write: its commit on the disk, what the row and the pending deletions follow from, and its last steps.
STEPS = [
    ("create", "place"),
    ("create", "t.put_file"),
    ("create", "COMMIT"),
    ("create", "sync"),
    ("create in a quota", "place"),
    ("create in a quota", "COMMIT"),
    ("create in a quota", "sync"),
    ("overwrite", "place"),
    ("overwrite", "t.schedule_deletion"),
    ("overwrite", "COMMIT"),
    ("overwrite", "sync"),
    ("edit", "place"),
    ("edit", "COMMIT"),
    ("edit", "sync"),
    ("delete", "remove"),
    ("delete", "t.schedule_deletion"),
    ("delete", "COMMIT"),
    ("delete", "sync"),
    ("create bucket", "create_bucket"),
    ("create bucket", "COMMIT"),
    ("create bucket", "sync_bucket"),
    ("change bucket", "replace_bucket"),
    ("change bucket", "COMMIT"),
    ("change bucket", "sync_bucket"),
    ("delete bucket", "remove_bucket"),
    ("delete bucket", "t.schedule_bucket_deletion"),
    ("delete bucket", "COMMIT"),
    ("delete bucket", "sync_bucket"),
]
MOMENTS = [
    *((write, step, when) for write, step in STEPS for when in ("before", "after")),
    ("create", "stage", "before"),
    ("create", "stage_sidecar", "before"),
    ("edit", "stage_sidecar", "before"),
]
# Where a process that ends leaves something that one that fails does not.
ENDS = [moment for moment in MOMENTS if not moment[1].startswith(("t.", "sync"))]


def stop_at(
    core: Core, write: str, step: str, when: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Raise `error` before or after `step` of `write`, once; return what was stopped."""
    stopped: list[str] = []

    def stopping(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if stopped:
                return real(*arguments, **named)
            if when == "before":
                stopped.append(step)
                raise error
            real(*arguments, **named)
            stopped.append(step)
            raise error

        return call

    if step.startswith("t."):
        monkeypatch.setattr(Transaction, step[2:], stopping(getattr(Transaction, step[2:])))
    elif step == "COMMIT":
        stop_deciding_commit(1 if write in JOTTED else 2, when, error, stopped, monkeypatch)
    else:
        monkeypatch.setattr(core.store, step, stopping(getattr(core.store, step)))
    return stopped


def stop_deciding_commit(
    number: int, when: str, error: BaseException, stopped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, commits = sqlite.execute, 0

    def execute(driver: Connection, statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"
        stop = statement == "COMMIT" and commits == number
        if stop and when == "before":
            stopped.append("COMMIT")
            raise error
        real(driver, statement)
        if stop:
            stopped.append("COMMIT")
            raise error

    monkeypatch.setattr(sqlite, "execute", execute)


@pytest.mark.parametrize(("write", "step", "when"), MOMENTS)
def test_write_that_fails_at_a_step_is_put_right(
    core: Core, write: str, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stopped = stop_at(core, write, step, when, Unavailable("the disk is away"), patched)
        with pytest.raises(Unavailable, match="the disk is away"):
            WRITES[write](core)
    assert stopped == [step]
    core.check()
    if write != "delete bucket":
        core.put("old.txt", b"again")
        core.check()


@pytest.mark.parametrize(("write", "step", "when"), ENDS)
def test_write_that_ends_with_its_process_at_a_step_is_put_right_by_the_next_start(
    tmp_path: Path, write: str, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(tmp_path / "store")
    core = Core(storage)
    core.bucket()
    core.bucket("capped", quota=100)
    core.put("old.txt", b"old")
    with monkeypatch.context() as patched:
        patched.setattr(Recovery, "_attempt", lambda *_: True)
        # What a dead process can no longer do: clean up behind itself.
        patched.setattr("storage_app.blobstore.filesystem.store.BlobFile.discard", lambda self: self.close())
        patched.setattr("storage_app.blobstore.filesystem.store.SidecarFile.discard", lambda _: None)
        stopped = stop_at(core, write, step, when, Stopped(), patched)
        with pytest.raises(Stopped):
            WRITES[write](core)
    assert stopped == [step]
    core.index.close()
    assert storage._presence is not None
    storage._presence.release()
    with open_core(tmp_path / "store") as after:
        after.check()
        if after.index.bucket("photos") is not None:
            after.put("old.txt", b"again")
            after.check()


def test_write_of_a_process_taken_for_gone_is_given_up(core: Core) -> None:
    """Another process resolved its intent; its late write must not count."""

    def clear(_: object) -> None:
        with core.index.write() as transaction:
            for each in transaction.intents():
                transaction.clear_intent(each)

    with pytest.raises(Unavailable, match="declared dead"):
        core.send("new.txt", b"abc", meanwhile=clear, to="capped", size=3)
    assert core.file("new.txt", bucket="capped") is None
    core.check()


@pytest.mark.parametrize("process", ["dead", None])
def test_stale_note_is_put_right_though_the_write_is_refused(core: Core, process: str | None) -> None:
    """A delete was cut short: the answer to the next one is that there is no file, and so there must be none."""
    file = core.file("old.txt")
    assert file
    core.intent(IntentKind.DELETE, "old.txt", file.blob, process=process)
    core.store.remove(core.buckets.get(ALICE, "photos")[0], "old.txt")
    with pytest.raises(FileNotFound):
        core.files.delete(ALICE, "photos", "old.txt", conditions=UNCONDITIONAL)
    assert core.intents() == []
    assert core.file("old.txt") is None
    core.check()


def test_stale_note_on_a_bucket_is_put_right_though_the_change_is_refused(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "photos")[0]
    core.intent(IntentKind.BUCKET, "photos", process="dead")
    core.store.remove_bucket(bucket)
    with pytest.raises(BucketNotFound):
        core.buckets.change(ALICE, "photos", {"is_public": True})
    assert core.intents() == []
    assert core.index.bucket("photos") is None


@pytest.mark.parametrize("bucket", ["photos", "capped"])
def test_failure_to_put_right_does_not_hide_the_first_error(
    core: Core, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the index is away, too")

    with monkeypatch.context() as patched:
        patched.setattr(core.store, "place", lambda *_: (_ for _ in ()).throw(Unavailable("the disk is away")))
        patched.setattr("storage_app.journal.recovery.reconcile_intent", refuse)
        with pytest.raises(Unavailable, match="the disk is away"):
            core.put("new.txt", to=bucket)
    assert len(core.intents()) == 1
    core.recovery.retry()
    core.check()
