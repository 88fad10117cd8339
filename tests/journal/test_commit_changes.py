"""Changes: each one is emitted by the commit that makes it, and announced when that is durable, and not before."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.buckets import Bucket
from storage_app.domain.changes import Change, ChangeKind
from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.intents import Intent, IntentKind
from storage_app.domain.uploads import UploadConstraints
from storage_app.errors import FileExists, FileNotFound, Forbidden, StorageError, Unavailable
from storage_app.index import State, Transaction
from tests.support.core import A_TIME, ALICE, BOB, Core, a_bucket, a_file, open_core
from tests.support.disk import syncs

Heard = tuple[str, str, str | None]


class Listener(logging.Handler):
    """Hears what is announced, and looks at once for `state`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[Heard] = []
        self.saw: list[object] = []
        self.state: Callable[[], object] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append((record.getMessage(), record.__dict__["bucket"], record.__dict__["key"]))
        self.saw.append(self.state())


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger, listener = logging.getLogger("storage_app.journal.commit"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    yield listener
    logger.removeHandler(listener)
    logger.setLevel(level)


@pytest.fixture
def bucket(core: Core) -> Bucket:
    core.put("old.txt", b"old")
    return core.buckets.get(ALICE, "photos")[0]


def edit(core: Core, **changes: Any) -> None:
    core.files.edit(ALICE, "photos", "old.txt", changes=changes, conditions=UNCONDITIONAL)


TO_A_NEW_KEY = CopyRequest(Place("photos", "old.txt"), Place("photos", "new.txt"))

CHANGES: dict[str, tuple[Callable[[Core], object], Heard]] = {
    "create": (lambda core: core.put("new.txt"), ("file.created", "photos", "new.txt")),
    "overwrite": (lambda core: core.put("old.txt", b"newer"), ("file.replaced", "photos", "old.txt")),
    "edit": (lambda core: edit(core, metadata={"k": 1}), ("file.updated", "photos", "old.txt")),
    "delete": (
        lambda core: core.files.delete(ALICE, "photos", "old.txt", conditions=UNCONDITIONAL),
        ("file.deleted", "photos", "old.txt"),
    ),
    "copy": (
        lambda core: core.services.copies.copy(ALICE, TO_A_NEW_KEY),
        ("file.created", "photos", "new.txt"),
    ),
    "move": (
        lambda core: core.services.copies.move(ALICE, TO_A_NEW_KEY),
        ("file.moved", "photos", "new.txt"),
    ),
    "create bucket": (lambda core: core.bucket("videos"), ("bucket.created", "videos", None)),
    "change bucket": (
        lambda core: core.buckets.change(ALICE, "photos", {"is_public": True}),
        ("bucket.updated", "photos", None),
    ),
    "delete bucket": (
        lambda core: core.buckets.delete(ALICE, "photos", force=True),
        ("bucket.deleted", "photos", None),
    ),
}


def state(core: Core) -> object:
    """What other readers find in the index, and in the store."""
    index = [core.index.bucket("photos"), core.index.bucket("videos")]
    files = [core.file(key) for key in ("old.txt", "new.txt")]
    names = [bucket.name for bucket in core.store.buckets() if isinstance(bucket, Bucket)]
    return index, files, sorted(names)


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_announced_once_it_can_be_seen(core: Core, bucket: Bucket, listener: Listener, name: str) -> None:
    change, expected = CHANGES[name]
    before = state(core)
    listener.state = lambda: state(core)
    change(core)
    assert listener.heard == [expected]
    assert listener.saw == [state(core)]
    assert listener.saw != [before]


REFUSALS: dict[str, tuple[Callable[[Core], object], type[StorageError]]] = {
    "create": (lambda core: core.put("old.txt", overwrite=False), FileExists),
    "delete": (
        lambda core: core.files.delete(ALICE, "photos", "none.txt", conditions=UNCONDITIONAL),
        FileNotFound,
    ),
    "change bucket": (lambda core: core.buckets.change(BOB, "photos", {"is_public": True}), Forbidden),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_change_is_not_announced(core: Core, bucket: Bucket, listener: Listener, name: str) -> None:
    change, refusal = REFUSALS[name]
    with pytest.raises(refusal):
        change(core)
    assert listener.heard == []


A_CHANGE = Change(ChangeKind.FILE_CREATED, a_bucket(), A_TIME, a_file("old.txt"))


@pytest.mark.parametrize("error", [None, FileExists("No."), Unavailable("The disk is away.")])
@pytest.mark.parametrize("kind", [IntentKind.WRITE, IntentKind.BUCKET])
def test_change_is_announced_unless_the_body_raises(
    core: Core, bucket: Bucket, listener: Listener, kind: IntentKind, error: Exception | None
) -> None:
    intent = Intent(core.commits.process, kind, bucket.uid, "old.txt" if kind is IntentKind.WRITE else bucket.name)

    def run() -> None:
        commit = (
            core.commits.keys([(intent, bucket)]) if kind is IntentKind.WRITE else core.commits.bucket(intent, bucket)
        )
        with core.commits.recorded(intent), commit as begun:
            begun.emit(A_CHANGE)
            assert listener.heard == []
            if error is not None:
                raise error

    if error is None:
        run()
        assert listener.heard == [("file.created", "photos", "old.txt")]
    else:
        with pytest.raises(type(error)):
            run()
        assert listener.heard == []
    core.check()


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_announced_after_the_last_sync(
    tmp_path: Path, index_url: str | None, listener: Listener, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {} if index_url is None else {"INDEX_URL": index_url}
    with open_core(tmp_path / "durable", DURABILITY="fsync", **url) as core:
        core.bucket()
        core.put("old.txt", b"old")
        listener.heard.clear()
        listener.saw.clear()
        with syncs(monkeypatch) as synced:
            listener.state = lambda: len(synced)
            CHANGES[name][0](core)
        assert len(synced) > 0
        assert listener.saw == [len(synced)]
        core.check()


WEBHOOKS = {"WEBHOOK_URL": "http://127.0.0.1:9", "WEBHOOK_SECRET": "whsec_" + "A" * 32}


def test_event_is_in_the_outbox_before_the_answer(tmp_path: Path) -> None:
    with open_core(tmp_path / "store", **WEBHOOKS) as core:
        assert core.services.outbox is not None
        core.bucket()
        core.put("a.txt")
        core.files.delete(ALICE, "photos", "a.txt", conditions=UNCONDITIONAL)
        # Nobody has forwarded what the index holds: it may be lost at any moment.
        events = core.services.outbox.events([*State], limit=10)
    assert [event.change.kind for event in events] == ["bucket.created", "file.created", "file.deleted"]


def test_change_whose_event_cannot_be_kept_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_core(tmp_path / "store", **WEBHOOKS) as core:
        outbox = core.services.outbox
        assert outbox is not None
        core.bucket()

        def fail(_: object) -> None:
            raise Unavailable("The disk is away.")

        monkeypatch.setattr(outbox, "put", fail)
        with pytest.raises(Unavailable):
            core.put("a.txt")
        monkeypatch.undo()
        core.index.forward(outbox)
        assert [event.change.kind for event in outbox.events([*State], limit=10)] == ["bucket.created", "file.created"]
        core.check()


def test_what_the_uploader_is_told_survives_its_process(tmp_path: Path) -> None:
    """Its bytes are placed, and it dies: whoever meets the key first reports it, with what its link says."""
    told = UploadConstraints(notify="upload 4711")
    for recover in (False, True):
        with open_core(tmp_path / f"store-{recover}", **WEBHOOKS) as core:
            outbox = core.services.outbox
            assert outbox is not None
            core.bucket()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Transaction, "put_file", lambda *_: (_ for _ in ()).throw(Unavailable("It is killed.")))
                patch.setattr(core.recovery, "resolve", lambda _: None)
                patch.setattr(core.logs, "release", lambda _: None)
                with pytest.raises(Unavailable):
                    core.put("a.txt", constraints=told)
            core.logs._held.clear()
            if recover:
                core.recovery.retry()
            else:
                core.put("a.txt", b"next")
            core.index.forward(outbox)
            (first, *_) = [event for event in outbox.events([*State], limit=10) if event.change.file is not None]
        assert (first.change.kind, first.change.notify) == ("file.created", "upload 4711")
