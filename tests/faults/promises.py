"""What must hold of a store whatever happened to an operation, checked against a plain model of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage_app.domain.buckets import Bucket, Totals
from storage_app.domain.files import File
from storage_app.domain.intents import PendingDeletion
from storage_app.index import State as EventState
from tests.faults.operations import Held, Operation, State, Version
from tests.support.core import Core, blobs, on_disk, shown


class BrokenPromise(AssertionError):
    """Something holds no more."""


@dataclass(frozen=True, slots=True)
class Records:
    """Every record as it was before."""

    buckets: list[Bucket]
    files: list[File]


def records(core: Core) -> Records:
    listed = shown(core)
    found = [core.index.bucket(name) for name in listed]
    return Records([row[0] for row in found if row], [file for _, files in listed.values() for file in files])


def check_promises(core: Core, operation: Operation, answered: int, before: Records, *, explained: bool) -> int:
    """Raise `BrokenPromise` unless the store is whole, and as it was before or after the operation.

    With `explained` False the index has forgotten something, so that bytes of keys without a record may be left.
    Returns the number of the state that it is in.
    """
    state = check_whole(core, before)
    _expect(
        state in operation.allowed(answered, explained=explained), f"after {answered} answers the store holds {state}"
    )
    _expect(not core.intents(), f"intents are left: {core.intents()}")
    _expect(not core.staged(), f"staged files are left: {core.staged()}")
    left = _unexplained(core)
    if not explained:
        left -= _without_sidecar(core, left)
    _expect(not left, f"bytes are left that nothing explains: {left}")
    _check_trash(core)
    number = operation.every.index(state, answered)
    if operation.events is not None:
        _check_events(core, operation.events, answered=answered == 1, changed=number > 0, explained=explained)
    return number


def _check_events(core: Core, expected: Sequence[str], *, answered: bool, changed: bool, explained: bool) -> None:
    """Raise unless what was answered is reported and, if the index lost nothing, whatever has happened."""
    outbox = core.services.outbox
    assert outbox is not None, "it is configured"
    core.index.forward(outbox)
    found = [event.change.kind.value for event in outbox.events([*EventState], limit=100)]
    _expect(len(found) <= len(expected) and set(found) <= set(expected), f"{found} is reported")
    if answered:
        _expect(found == list(expected), f"{found} is reported of what was answered")
    elif explained:
        _expect(
            bool(found) == (changed and bool(expected)), f"{found} is reported, and it is {changed} that it changed"
        )


def check_whole(core: Core, before: Records) -> State:
    """Raise `BrokenPromise` unless index, sidecars and bytes agree; return what a client sees."""
    listed, recorded = shown(core), on_disk(core)
    _expect(listed == recorded, f"the index says {listed}, the sidecars {recorded}")
    state = {}
    for name, (totals, files) in listed.items():
        found = core.index.bucket(name)
        assert found is not None
        counted = Totals(len(files), sum(file.size for file in files))
        _expect(totals == counted, f"the totals of {name} are {totals}, and its files come to {counted}")
        _expect(core.store.read_bucket(name) == found[0], f"the row of bucket {name} is not its record")
        versions = {file.key: _version(core, name, file, before) for file in files}
        state[name] = Held(versions, found[0].description, found[0] in before.buckets)
    return state


def check_readers(core: Core) -> None:
    """Raise `BrokenPromise` unless what a reader can open is what its record says."""
    for name, (_, files) in shown(core).items():
        for file in files:
            try:
                data = core.read(file, bucket=name)
            except FileNotFoundError:  # the answer is 404 or 5xx, and no bytes
                continue
            _expect(_fits(file, data), f"a reader of {file.key} gets {len(data)} bytes that are not its own")


def check_going_on(core: Core, operation: Operation, answered: int) -> None:
    """Raise unless what had begun goes on and the next upload succeeds, and a collection leaves nothing but files."""
    if operation.go_on is not None:
        operation.go_on(core, answered)
        left = list(core.resumables.ids())
        _expect(not left, f"resumable uploads are left: {left}")
    for name in _unexplained(core):  # what an operator would put away
        next(core.root.glob(f"*/??/{name}")).unlink()
    bucket, key = operation.upload
    if core.index.bucket(bucket) is None:
        core.bucket(bucket)
    file, _ = core.put(key, b"next", to=bucket)
    _expect(core.read(file, bucket=bucket) == b"next", "the next upload is not what was sent")
    core.check()


def _unexplained(core: Core) -> set[str]:
    """The names of bytes on the disk that neither a sidecar nor a pending deletion names."""
    named = {file.blob for _, files in on_disk(core).values() for file in files}
    return set(blobs(core.root)) - named - {deletion.blob or "" for deletion in _pending_deletions(core)}


def _without_sidecar(core: Core, names: set[str]) -> set[str]:
    """Those of these bytes whose key has no sidecar, so that nothing says that they were replaced."""
    return {name for name in names if not list(core.root.glob(f"*/??/{name.split('-')[0]}.json"))}


def _check_trash(core: Core) -> None:
    scheduled = {deletion.bucket_uid for deletion in _pending_deletions(core)}
    left = {path.name for path in (core.layout.system / "trash").iterdir()} - scheduled
    _expect(not left, f"deleted buckets are left that nobody schedules: {left}")


def _pending_deletions(core: Core) -> list[PendingDeletion]:
    return core.index.pending_deletions(datetime.now(UTC), after=0, limit=1000)


def _version(core: Core, bucket: str, file: File, before: Records) -> Version:
    try:
        data = core.read(file, bucket=bucket)
    except FileNotFoundError as error:
        raise BrokenPromise(f"the bytes of {file.key} are not there") from error
    _expect(_fits(file, data), f"the bytes of {file.key} are not those of its record")
    return Version(data, dict(file.metadata), file in before.files)


def _fits(file: File, data: bytes) -> bool:
    return (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


def _expect(held: bool, sentence: str) -> None:
    if not held:
        raise BrokenPromise(sentence)
