"""What the model of the steps is made of: one key on a disk and in an index, and two processes that change it.

All of it are values: a state can be compared, kept in a set, and changed only by making another.
"""

from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from itertools import chain, combinations
from typing import NamedTuple

NAMES = ("A", "B")


class Record(NamedTuple):
    """What a sidecar or a row says. `born` is carried over by who overwrites, and the edits by who edits."""

    blob: str
    born: str
    edits: frozenset[str] = frozenset()

    def __str__(self) -> str:
        edited = "".join(f", edited by {name}" for name in sorted(self.edits))
        return f"the file of {self.blob}" + (f" since {self.born}" if self.born != self.blob else "") + edited


OLD = Record("old", "old")


class Operation(StrEnum):
    CREATE = "create unless there"
    OVERWRITE = "overwrite"
    REPLACE_OLD = "replace if still the old one"
    TOO_LARGE = "overwrite beyond the quota"
    EDIT = "edit"
    DELETE = "delete"
    DELETE_OF_MANY = "delete among others"

    @property
    def deletes(self) -> bool:
        return self in (Operation.DELETE, Operation.DELETE_OF_MANY)


class Refused(Exception):
    """The operation is answered with 4xx."""


def outcome(operation: Operation, name: str, current: Record | None) -> Record | None:
    """Return what the key holds after `operation` of process `name` on `current`; raises `Refused`."""
    match operation:
        case Operation.CREATE if current is None:
            return Record(name, name)
        case Operation.OVERWRITE:
            return Record(name, current.born if current else name)
        case Operation.REPLACE_OLD if current == OLD:
            return Record(name, OLD.born)
        case Operation.EDIT if current is not None:
            return current._replace(edits=current.edits | {name})
        case Operation.DELETE if current is not None:
            return None
        case Operation.DELETE_OF_MANY:  # a file that is not there counts as deleted
            return None
    raise Refused


class Clause(Enum):
    """A part of the steps that can be taken out. Each is there because something is lost without it."""

    RECORDED = auto()
    OWN_INTENT = auto()
    LOCK = auto()
    DECIDED_FIRST = auto()
    AGREED = auto()
    RESTAGED = auto()
    BYTES_FIRST = auto()
    BYTES_SYNCED = auto()
    SIDECAR_SYNCED = auto()
    SYNCED_BEFORE_ANSWER = auto()
    SYNCED_BEFORE_COMMIT = auto()
    REPLACED_STAYS = auto()
    DELETED_BY_WAY_OF_STAGING = auto()
    FAILED_IS_RESOLVED = auto()
    DEAD_RESOLVED_BY_WRITER = auto()
    RECOVERY_LOOKS = auto()
    RECOVERY_SCHEDULES_ROW = auto()
    RECOVERY_REMEMBERS_DELETED = auto()
    RECOVERY_REMOVES_NOTHING = auto()
    RECOVERY_SYNCED = auto()
    STAGING_REMOVED_FIRST = auto()
    STAGING_REMOVED_WHOLE = auto()
    SWEEP_SYNCED = auto()
    STRUCK_LAST = auto()
    SIDECARS_DECIDE = auto()
    REBUILT_UNDER_LOCK = auto()
    REBUILT_AFTER_FENCE = auto()
    REBUILT_SPARING_INTENDED = auto()
    REBUILT_SYNCED = auto()


class At(StrEnum):
    """Where a process is: the last thing it has done."""

    IDLE = auto()
    RECORDED = auto()
    STAGED = auto()
    PLACED_UNDECIDED = auto()  # only where the clause against it is taken out
    DECIDED = auto()
    BYTES_PLACED = auto()
    PLACED = auto()
    COMMITTED = auto()
    REFUSING = auto()
    FAILED = auto()
    # It is over:
    DONE = auto()  # answered 2xx
    REFUSED = auto()  # answered 4xx
    UNKNOWN = auto()  # answered 5xx
    DEAD = auto()  # not answered


OVER = frozenset({At.DONE, At.REFUSED, At.UNKNOWN, At.DEAD})
UNDECIDED = frozenset({At.RECORDED, At.STAGED, At.PLACED_UNDECIDED})
IN_TRANSACTION = frozenset({At.DECIDED, At.BYTES_PLACED, At.PLACED})


class Staging(StrEnum):
    """A process's staging directory."""

    EMPTY = auto()
    FULL = auto()
    GONE = auto()


class Disk(NamedTuple):
    """The key's directory as processes see it, and as a power cut may leave it.

    `pending` are changes since the last sync. Renames reach the disk in order; the removal of a blob may overtake them.
    `unsynced` are blobs and records whose own bytes were never synced.
    """

    sidecar: Record | None
    blobs: frozenset[str]
    kept_sidecar: Record | None
    kept_blobs: frozenset[str]
    pending: tuple["Change", ...] = ()
    unsynced: frozenset[str | Record] = frozenset()

    def renamed(self, *changes: "Change") -> "Disk":
        sidecar, blobs = _after(self.sidecar, self.blobs, changes)
        return self._replace(sidecar=sidecar, blobs=blobs, pending=(*self.pending, *changes))

    def synced(self) -> "Disk":
        return self._replace(kept_sidecar=self.sidecar, kept_blobs=self.blobs, pending=())

    def after_power_cut(self) -> Iterator["Disk"]:
        renames = [change for change in self.pending if not change.removes]
        removals = [change for change in self.pending if change.removes]
        for kept in range(len(renames) + 1):
            for some in chain.from_iterable(combinations(removals, count) for count in range(len(removals) + 1)):
                sidecar, blobs = _after(self.kept_sidecar, self.kept_blobs, (*renames[:kept], *some))
                if sidecar in self.unsynced:
                    sidecar = Record("torn", "torn")
                blobs = frozenset(blob for blob in blobs if blob not in self.unsynced)
                yield Disk(sidecar, blobs, sidecar, blobs)


class Change(NamedTuple):
    """A blob placed or removed, or, where `blob` is None, a sidecar that takes the place of the one before."""

    blob: str | None = None
    removes: bool = False
    sidecar: Record | None = None


def _after(
    sidecar: Record | None, blobs: frozenset[str], changes: tuple[Change, ...]
) -> tuple[Record | None, frozenset[str]]:
    for change in changes:
        if change.blob is None:
            sidecar = change.sidecar
        else:
            blobs = blobs - {change.blob} if change.removes else blobs | {change.blob}
    return sidecar, blobs


class Intent(NamedTuple):
    process: int
    blob: str | None


class Index(NamedTuple):
    """The key's row, and the intents and pending_deletions about it."""

    row: Record | None
    intents: frozenset[Intent] = frozenset()
    pending_deletions: frozenset[str] = frozenset()

    def intent_of(self, process: int) -> Intent | None:
        return next((intent for intent in self.intents if intent.process == process), None)


class Process(NamedTuple):
    """`current` is the sidecar that it decided on, `staged` what it places, `puts_right` an intent that it resolves,
    too.

    `after_other`: it began when the other was over. `lock_lost`: others may have what it believes to hold.
    """

    at: At = At.IDLE
    staging: Staging = Staging.EMPTY
    staged: Record | None = None
    current: Record | None = None
    puts_right: Intent | None = None
    after_other: bool = False
    declared_dead: bool = False
    lock_lost: bool = False

    @property
    def counts_as_dead(self) -> bool:
        return self.declared_dead or self.at is At.DEAD

    def over(self, at: At) -> "Process":
        """Its end as `at`; what a dead process staged stays, what a living one staged does not."""
        left = self.staging if at is At.DEAD else Staging.EMPTY
        return Process(at, left, after_other=self.after_other)


class Collection(NamedTuple):
    """A blob that is being removed: its deletion was read, its bytes are removed, or its deletion is cleared."""

    blob: str
    named: bool = False
    removed: bool = False
    cleared: bool = False


class State(NamedTuple):
    disk: Disk
    index: Index  # type: ignore[assignment]  # it hides a tuple's method
    in_file_logs: frozenset[Intent] = frozenset()  # what stands in the intent logs of processes
    processes: tuple[Process, ...] = (Process(), Process())
    holder: int | None = None
    past: frozenset[Index] = frozenset()
    collect: Collection | None = None
    rebuild_read: tuple[Record | None] | None = None
    troubles: int = 0
    unexplained: bool = False  # a power cut or a lost index may leave bytes that nothing names

    def intent_of(self, process: int) -> Intent | None:
        """Return the intent of `process`, wherever it stands."""
        in_file_log = (intent for intent in self.in_file_logs if intent.process == process)
        return self.index.intent_of(process) or next(in_file_log, None)

    def with_process(self, number: int, process: Process) -> "State":
        processes = (*self.processes[:number], process, *self.processes[number + 1 :])
        return self._replace(processes=processes)


class Rules(NamedTuple):
    """What the two processes do, what index they have, and the clause that is taken out.

    There are two kinds of index. One may lose its last transactions in a power cut, as SQLite does with
    `synchronous=NORMAL`; after one the sidecars alone decide. The other keeps them (`commits_last`), as PostgreSQL
    does, and only intents are resolved; there a process that is declared dead has lost its session, and with it the
    lock that it believes to hold.

    With the first kind, writes and edits may be recorded in intent logs (`has_intent_logs`), which only their own
    process sees until it is dead; nothing is lost of them but in a power cut.
    """

    operations: tuple[Operation, Operation]
    commits_last: bool = False
    has_file_logs: bool = False
    without: Clause | None = None

    def intents_in_file_log(self, number: int) -> bool:
        return self.has_file_logs and not self.operations[number].deletes

    def keep(self, clause: Clause) -> bool:
        return self.without is not clause

    def outcome(self, number: int, current: Record | None) -> Record | None:
        return outcome(self.operations[number], NAMES[number], current)


Move = tuple[str, State]
