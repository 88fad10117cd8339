"""Each operation that changes the disk, with what the store holds before it, and after each of its answers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL, WriteConditions
from storage_app.errors import BucketExists, BucketNotEmpty, FileExists, PreconditionFailed, QuotaExceeded, StorageError
from tests.faults import resumables
from tests.faults.victims import Answered
from tests.support.core import ALICE, UNDESCRIBED, Core

QUOTA = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """A file as a client sees it. `same`: every field of its record is what it was before the operation."""

    data: bytes
    metadata: dict[str, int] = field(default_factory=dict)
    same: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A bucket and its files."""

    files: dict[str, Version] = field(default_factory=dict)
    description: str | None = None
    same: bool = True


State = dict[str, Held]


@dataclass(frozen=True, slots=True)
class Operation:
    """What `run` does to a store that holds `states[0]`.

    It says when it has been answered, which may be several times; then the store holds the next state, whatever happens
    to the process. `upload` is what a client tries next: a bucket and a key. `halfway` are the states in which it may
    also end without an answer, because each of many files is changed by itself. In one of `torn` only a lost index, or
    a power cut, may leave it. With `events`, these types are reported by then. `go_on` does what clients do that had
    begun something, after so many answers.
    """

    run: Callable[[Core, Answered], None]
    states: tuple[State, ...]
    upload: tuple[str, str] = ("photos", "old.txt")
    halfway: tuple[State, ...] = ()
    torn: tuple[State, ...] = ()
    events: tuple[str, ...] | None = None
    go_on: Callable[[Core, int], None] | None = None

    @property
    def every(self) -> tuple[State, ...]:
        return self.states + self.halfway + self.torn

    def allowed(self, answered: int, *, explained: bool) -> tuple[State, ...]:
        """Return the states that the store may be in after that many answers; `explained`: its index lost nothing."""
        others = self.halfway if explained else self.halfway + self.torn
        return self.states[answered : answered + 2] + (others if answered < len(self.states) - 1 else ())


OLD = Version(b"old " * 10)
OTHER = Version(b"other", {"k": 1})
NEW = Version(b"new " * 20, same=False)
PHOTOS = Held({"old.txt": OLD, "other.txt": OTHER})
BEFORE: State = {"photos": PHOTOS, "empty": Held()}


def prepare(core: Core) -> None:
    """Bring a fresh store almost to `BEFORE`.

    Something replaced, deleted and of a deleted bucket waits for collection.
    """
    core.bucket("photos", quota=QUOTA)
    core.put("old.txt", b"older")
    core.put("gone.txt", b"dead")
    core.files.delete(ALICE, "photos", "gone.txt", conditions=UNCONDITIONAL)
    core.bucket("dead")
    core.put("a.txt", b"dead", to="dead")
    core.buckets.delete(ALICE, "dead", force=True)
    core.put("other.txt", OTHER.data, attributes=replace(UNDESCRIBED, metadata=OTHER.metadata))


def complete(core: Core) -> None:
    """Bring it to `BEFORE`; a power cut may take these transactions of the index back, too."""
    core.put("old.txt", OLD.data)
    core.bucket("empty")


def _photos(**files: Version) -> State:
    """`BEFORE` with these files, called by their stems, in the bucket."""
    return {**BEFORE, "photos": replace(PHOTOS, files={f"{stem}.txt": version for stem, version in files.items()})}


def _create(core: Core, answered: Answered) -> None:
    core.put("new.txt", NEW.data, overwrite=False)
    answered()


def _create_by_form(core: Core, answered: Answered) -> None:
    """The key and size come with the body."""
    core.send(None, NEW.data, late={"key": "new.txt", "overwrite": False})
    answered()


def _overwrite(core: Core, answered: Answered) -> None:
    core.put("old.txt", NEW.data)
    answered()


def _refused(core: Core, refusal: type[StorageError], write: Callable[[], object], answered: Answered) -> None:
    try:
        write()
    except refusal:
        answered()
    else:
        raise AssertionError(f"this should have been refused: {refusal.__name__}")


def _refuse_overwrite(core: Core, answered: Answered) -> None:
    def write() -> None:
        core.send(None, NEW.data, late={"key": "old.txt", "overwrite": False})

    _refused(core, FileExists, write, answered)


def _refuse_if_none_match(core: Core, answered: Answered) -> None:
    conditions = WriteConditions(if_none_match=frozenset({"*"}))

    def write() -> None:
        core.send(None, NEW.data, conditions=conditions, late={"key": "old.txt", "overwrite": True})

    _refused(core, PreconditionFailed, write, answered)


def _refuse_quota(core: Core, answered: Answered) -> None:
    """Refused when the last byte has come, because the size was not declared."""
    _refused(core, QuotaExceeded, lambda: core.put("new.txt", b"n" * (QUOTA - 10), size=None), answered)


def _lose_against_another(core: Core, answered: Answered) -> None:
    """Both create one key; the one that finishes later is refused under the lock."""

    def write() -> None:
        def meanwhile(_: object) -> None:
            core.put("new.txt", NEW.data, overwrite=False)
            answered()

        core.send("new.txt", b"lost", meanwhile=meanwhile, size=4)

    _refused(core, FileExists, write, answered)


def _edit(core: Core, answered: Answered) -> None:
    core.files.edit(ALICE, "photos", "old.txt", changes={"metadata": {"k": 2}}, conditions=UNCONDITIONAL)
    answered()


def _delete(core: Core, answered: Answered) -> None:
    core.files.delete(ALICE, "photos", "old.txt", conditions=UNCONDITIONAL)
    answered()


def _delete_many(core: Core, answered: Answered) -> None:
    result = core.deletions.by_prefix(ALICE, "photos", "o")
    assert (result.done, result.failed, result.complete) == (2, [], True)
    answered()


def _copy(core: Core, answered: Answered) -> None:
    core.services.copies.copy(
        ALICE, CopyRequest(Place("photos", "old.txt"), Place("photos", "other.txt"), overwrite=True)
    )
    answered()


def _move(core: Core, answered: Answered) -> None:
    core.services.copies.move(
        ALICE, CopyRequest(Place("photos", "old.txt"), Place("photos", "other.txt"), overwrite=True)
    )
    answered()


def _move_across(core: Core, answered: Answered) -> None:
    core.services.copies.move(ALICE, CopyRequest(Place("photos", "old.txt"), Place("empty", "moved.txt")))
    answered()


def _refuse_move(core: Core, answered: Answered) -> None:
    asked = CopyRequest(Place("photos", "old.txt"), Place("photos", "other.txt"))
    _refused(core, FileExists, lambda: core.services.copies.move(ALICE, asked), answered)


def _create_bucket(core: Core, answered: Answered) -> None:
    core.bucket("new")
    answered()


def _refuse_bucket(core: Core, answered: Answered) -> None:
    _refused(core, BucketExists, lambda: core.bucket("photos"), answered)


def _change_bucket(core: Core, answered: Answered) -> None:
    core.buckets.change(ALICE, "photos", {"description": "changed"})
    answered()


def _delete_bucket(core: Core, answered: Answered) -> None:
    core.buckets.delete(ALICE, "photos", force=True)
    answered()


def _refuse_bucket_delete(core: Core, answered: Answered) -> None:
    _refused(core, BucketNotEmpty, lambda: core.buckets.delete(ALICE, "photos", force=False), answered)


def _recreate_bucket(core: Core, answered: Answered) -> None:
    _delete_bucket(core, answered)
    core.bucket("photos")
    answered()
    core.put("old.txt", NEW.data)
    answered()


def _sweep(core: Core, answered: Answered) -> None:
    core.collect()
    answered()


_CREATED = _photos(old=OLD, other=OTHER, new=NEW)
_WITHOUT = {name: held for name, held in BEFORE.items() if name != "photos"}
_RECREATED = Held(same=False)
_MOVED = replace(OLD, same=False)
_WITH_MOVED = Held({"moved.txt": _MOVED})

OPERATIONS: dict[str, Operation] = {
    "create": Operation(_create, (BEFORE, _CREATED), ("photos", "new.txt")),
    "create by form": Operation(_create_by_form, (BEFORE, _CREATED), ("photos", "new.txt")),
    "overwrite": Operation(_overwrite, (BEFORE, _photos(old=NEW, other=OTHER))),
    "refused overwrite": Operation(_refuse_overwrite, (BEFORE, BEFORE)),
    "refused by If-None-Match": Operation(_refuse_if_none_match, (BEFORE, BEFORE)),
    "refused by quota": Operation(_refuse_quota, (BEFORE, BEFORE), ("photos", "new.txt")),
    "two creators": Operation(_lose_against_another, (BEFORE, _CREATED, _CREATED), ("photos", "new.txt")),
    "edit": Operation(_edit, (BEFORE, _photos(old=replace(OLD, metadata={"k": 2}, same=False), other=OTHER))),
    "delete": Operation(_delete, (BEFORE, _photos(other=OTHER))),
    "delete many": Operation(_delete_many, (BEFORE, _photos()), halfway=(_photos(other=OTHER),)),
    "copy": Operation(_copy, (BEFORE, _photos(old=OLD, other=replace(OLD, same=False))), ("photos", "other.txt")),
    "move": Operation(
        _move,
        (BEFORE, _photos(other=_MOVED)),
        ("photos", "other.txt"),
        torn=(_photos(old=OLD, other=_MOVED),),
    ),
    "move across": Operation(
        _move_across,
        (BEFORE, {**_photos(other=OTHER), "empty": _WITH_MOVED}),
        ("empty", "moved.txt"),
        torn=({**BEFORE, "empty": _WITH_MOVED},),
    ),
    "refused move": Operation(_refuse_move, (BEFORE, BEFORE)),
    "create bucket": Operation(_create_bucket, (BEFORE, {**BEFORE, "new": Held(same=False)}), ("new", "a.txt")),
    "refused bucket": Operation(_refuse_bucket, (BEFORE, BEFORE)),
    "change bucket": Operation(
        _change_bucket, (BEFORE, {**BEFORE, "photos": replace(PHOTOS, description="changed", same=False)})
    ),
    "delete bucket": Operation(_delete_bucket, (BEFORE, _WITHOUT)),
    "refused bucket delete": Operation(_refuse_bucket_delete, (BEFORE, BEFORE)),
    "recreate bucket": Operation(
        _recreate_bucket,
        (
            BEFORE,
            _WITHOUT,
            {**BEFORE, "photos": _RECREATED},
            {**BEFORE, "photos": replace(_RECREATED, files={"old.txt": NEW})},
        ),
    ),
    "resumable": Operation(
        resumables.send, (BEFORE, BEFORE, BEFORE, BEFORE, _CREATED), ("photos", "new.txt"), go_on=resumables.go_on
    ),
    "resumable of parts": Operation(
        resumables.join, (BEFORE, _CREATED), ("photos", "new.txt"), go_on=resumables.end_all
    ),
    "collect": Operation(_sweep, (BEFORE, BEFORE)),
}

_REPORTED = {
    "create by form": ("file.created",),
    "overwrite": ("file.replaced",),
    "refused overwrite": (),
    "edit": ("file.updated",),
    "delete": ("file.deleted",),
    "delete many": ("file.deleted", "file.deleted"),
    "move across": ("file.moved",),
    "change bucket": ("bucket.updated",),
    "delete bucket": ("bucket.deleted",),
}
OPERATIONS |= {f"{name}, reported": replace(OPERATIONS[name], events=events) for name, events in _REPORTED.items()}
