"""A move in a model of its own: two keys on a disk and in an index, process A that moves, and B that changes one key.

B's change is one step here, and so are bytes: what can happen in the middle of a write is told by the other model.
"""

from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from itertools import permutations, product
from typing import NamedTuple


class Record(NamedTuple):
    """What a sidecar or a row says. `of` names the blob that was moved."""

    blob: str
    edited: bool = False
    of: str = ""


OLD = Record("old")
# What a power cut may leave of a key's sidecar; the last one is what processes see.
Versions = tuple[Record | None, ...]
Held = tuple[Record | None, Record | None]  # at the source, and at the destination
SOURCE, TARGET = 0, 1


class Change(StrEnum):
    """What B does."""

    CREATE_SOURCE = auto()
    OVERWRITE_SOURCE = auto()
    EDIT_SOURCE = auto()
    DELETE_SOURCE = auto()
    CREATE_TARGET = auto()
    OVERWRITE_TARGET = auto()
    DELETE_TARGET = auto()

    @property
    def key(self) -> int:
        return SOURCE if self.endswith("source") else TARGET


class Refused(Exception):
    """The operation is answered with 4xx."""


def moved(held: Held) -> Held:
    source, _ = held
    if source is None:
        raise Refused
    return None, Record("A", source.edited, source.blob)


def copied(held: Held) -> Held:
    """What a move comes to that a power cut has torn."""
    return held[SOURCE], moved(held)[TARGET]


def changed(change: Change, held: Held) -> Held:
    before, kind = held[change.key], change.partition("_")[0]
    if (kind == "create") == (before is not None) and kind != "overwrite":
        raise Refused
    after = {"edit": before and before._replace(edited=True), "delete": None}.get(kind, Record("B"))
    return (after, held[TARGET]) if change.key == SOURCE else (held[SOURCE], after)


class Clause(Enum):
    """A part of the steps that can be taken out."""

    RECORDED_IN_INDEX = auto()
    LOCKED = auto()
    TARGET_FIRST = auto()
    TARGET_SYNCED = auto()
    SOURCE_SYNCED = auto()
    FENCED = auto()
    ROLLED_FORWARD = auto()
    ROLLED_FORWARD_SYNCED = auto()
    FINISHED_FIRST = auto()
    ONLY_THE_VERSION_MOVED = auto()


class At(StrEnum):
    """The last thing that A has done."""

    IDLE = auto()
    RECORDED = auto()
    DECIDED = auto()
    PLACED = auto()  # the first of its two renames
    SYNCED = auto()
    REMOVED = auto()  # and the second
    COMMITTED = auto()
    FAILED = auto()
    DONE = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    DEAD = auto()


OVER = {At.DONE, At.REFUSED, At.UNKNOWN, At.DEAD}
IN_TRANSACTION = {At.DECIDED, At.PLACED, At.SYNCED, At.REMOVED}


class State(NamedTuple):
    """`intent` is the blob that A has recorded to move, `taken` the file that it decided on, `b` B's answer."""

    disk: tuple[Versions, Versions]
    rows: Held
    a: At = At.IDLE
    intent: str | None = None
    taken: Record | None = None
    holds_lock: bool = False
    declared_dead: bool = False
    b: bool | None = None  # whether it was done
    b_first: bool = False  # it was answered before A began
    a_first: bool = False
    torn: bool = False
    troubles: int = 0

    @property
    def seen(self) -> Held:
        return self.disk[SOURCE][-1], self.disk[TARGET][-1]

    def renamed(self, key: int, record: Record | None) -> "State":
        disk = list(self.disk)
        disk[key] = (*disk[key], record)
        return self._replace(disk=(disk[SOURCE], disk[TARGET]))

    def synced(self, *keys: int) -> "State":
        disk = [versions[-1:] if key in keys else versions for key, versions in enumerate(self.disk)]
        return self._replace(disk=(disk[SOURCE], disk[TARGET]))


class Rules(NamedTuple):
    """B's change, the kind of index (as in the other model), and the clauses that are taken out."""

    change: Change
    commits_last: bool = False
    without: frozenset[Clause] = frozenset()

    def keep(self, clause: Clause) -> bool:
        return clause not in self.without


Move = tuple[str, State]


def resolved(state: State, rules: Rules) -> State:
    """Finish the move if its file is at the destination, reconcile both rows, and clear the intent."""
    source, target = state.seen
    is_version = source is not None and source.blob == state.intent
    if rules.keep(Clause.ROLLED_FORWARD) and target is not None and target.blob == "A":
        if source is not None and (is_version or not rules.keep(Clause.ONLY_THE_VERSION_MOVED)):
            state = state.renamed(SOURCE, None)
        if rules.keep(Clause.ROLLED_FORWARD_SYNCED):
            state = state.synced(SOURCE, TARGET)
    state = state.synced(SOURCE, TARGET) if rules.commits_last else state
    return state._replace(rows=state.seen, intent=None)


def steps_of_a(state: State, rules: Rules) -> Iterator[Move]:
    at, row = state.a, state.rows[SOURCE]
    if at is At.IDLE:
        blob = "none" if row is None else row.blob
        yield "A records what it will move", state._replace(a=At.RECORDED, intent=blob, b_first=state.b is not None)
    elif at is At.RECORDED and not state.holds_lock:
        yield _decide(state)
    elif at in IN_TRANSACTION:
        yield _rename(state, rules)
    elif at is At.COMMITTED:
        synced = state.synced(SOURCE) if rules.keep(Clause.SOURCE_SYNCED) else state
        yield "A is answered 2xx", synced._replace(a=At.DONE)
    elif at is At.FAILED:
        over = state._replace(a=At.UNKNOWN)
        yield "A resolves its intent: 5xx", resolved(over, rules) if state.intent else over


def _decide(state: State) -> Move:
    source = state.seen[SOURCE]
    if state.intent is None:
        return "A does not find its intent: 5xx", state._replace(a=At.UNKNOWN)
    if source is None:
        return "A is answered 404", state._replace(a=At.REFUSED, intent=None)
    if source.blob != state.intent:
        return "A begins again, because other bytes are there", state._replace(intent=source.blob)
    return "A locks both keys", state._replace(a=At.DECIDED, taken=source, holds_lock=True)


def _rename(state: State, rules: Rules) -> Move:
    assert state.taken is not None
    first, second = (TARGET, SOURCE) if rules.keep(Clause.TARGET_FIRST) else (SOURCE, TARGET)
    records = {TARGET: moved((state.taken, None))[TARGET], SOURCE: None}
    if state.declared_dead and rules.keep(Clause.FENCED) and state.a is not At.REMOVED:
        return "A cannot rename: its staging is gone", state._replace(a=At.FAILED, holds_lock=False)
    match state.a:
        case At.DECIDED:
            return "A makes its first rename", state.renamed(first, records[first])._replace(a=At.PLACED)
        case At.PLACED:
            synced = state.synced(TARGET) if rules.keep(Clause.TARGET_SYNCED) else state
            return "A syncs the destination", synced._replace(a=At.SYNCED)
        case At.SYNCED:
            return "A makes its second rename", state.renamed(second, records[second])._replace(a=At.REMOVED)
    return _commit(state, rules)


def _commit(state: State, rules: Rules) -> Move:
    if state.declared_dead and rules.commits_last:
        return "A cannot COMMIT: its session is lost", state._replace(a=At.FAILED, holds_lock=False)
    committed = state._replace(rows=(None, state.seen[TARGET]), intent=None, holds_lock=False)
    if not rules.commits_last:
        return "A COMMITs", committed._replace(a=At.COMMITTED)
    if rules.keep(Clause.SOURCE_SYNCED):
        committed = committed.synced(SOURCE)
    return "A syncs the source, COMMITs and is answered 2xx", committed._replace(a=At.DONE)


def steps_of_b(state: State, rules: Rules) -> Iterator[Move]:
    """Lock the key, finish what A has left on it, decide, and make the change durable: one step."""
    if state.b is not None or (state.holds_lock and rules.keep(Clause.LOCKED)):
        return
    is_visible = state.intent is not None and rules.keep(Clause.RECORDED_IN_INDEX)
    target = state.seen[TARGET]
    half_done = target is not None and target.blob == "A"
    a_first = state.a in OVER and state.a is not At.DEAD
    if is_visible and (_is_dead(state) or (half_done and rules.keep(Clause.FINISHED_FIRST) and not state.holds_lock)):
        state = resolved(state, rules)
    try:
        after = changed(rules.change, state.seen)
    except Refused:
        yield "B is answered 4xx", state._replace(b=False, a_first=a_first)
        return
    done = state.renamed(rules.change.key, after[rules.change.key]).synced(rules.change.key)
    rows = list(state.rows)
    rows[rules.change.key] = after[rules.change.key]
    yield "B is answered 2xx", done._replace(b=True, a_first=a_first, rows=(rows[SOURCE], rows[TARGET]))


def _is_dead(state: State) -> bool:
    return state.a is At.DEAD or state.declared_dead


def chores(state: State, rules: Rules) -> Iterator[Move]:
    if state.intent is not None and _is_dead(state) and not state.holds_lock:
        yield "the intent of A is resolved", resolved(state, rules)


def troubles(state: State, rules: Rules) -> Iterator[Move]:
    active = state.a is not At.IDLE and state.a not in OVER
    dead = state._replace(a=At.DEAD if active else state.a, holds_lock=False)
    if active:
        yield "A is killed", dead
    if active and not state.declared_dead:
        lost = rules.commits_last and state.a in IN_TRANSACTION
        holds = state.holds_lock and not lost
        yield "A is declared dead, but lives", state._replace(declared_dead=True, holds_lock=holds)
    if state.a is At.REMOVED and not state.declared_dead:
        failed = state.synced(SOURCE, TARGET) if rules.commits_last else state
        failed = failed._replace(a=At.FAILED, holds_lock=False)
        yield "the COMMIT of A fails", failed
        yield "A is told so, but it happened", failed._replace(rows=(None, state.seen[TARGET]), intent=None)
    if state.a in {At.PLACED, At.SYNCED}:
        yield "the disk refuses A", state._replace(a=At.FAILED, holds_lock=False)
    for source, target in product(*map(set, state.disk)):
        cut = dead._replace(disk=((source,), (target,)))
        if rules.commits_last:
            yield f"the power is cut, and leaves {source} and {target}", cut
        else:
            yield f"the power is cut, and leaves {source} and {target}", _rebuilt(cut)
    yield "everybody is killed, and the index is lost", _rebuilt(dead)


def _rebuilt(state: State) -> State:
    """Fill a new index from the sidecars, synced before. If A was not answered, its move may have been torn."""
    state = state.synced(SOURCE, TARGET)
    return state._replace(rows=state.seen, intent=None, torn=state.torn or state.a in {At.DEAD, At.UNKNOWN})


def allowed(state: State, change: Change) -> set[Held]:
    """Return what the two keys may hold, by what was answered."""
    may_move = state.a not in {At.IDLE, At.REFUSED}
    moves = [moved, *([copied] if state.torn else [])] if may_move else []
    results: set[Held] = set()
    for move in [*moves, *([None] if state.a is not At.DONE else [])]:
        for order in permutations(["a"] * (move is not None) + ["b"] * bool(state.b)):
            if (order == ("a", "b") and state.b_first) or (order == ("b", "a") and state.a_first):
                continue
            held: Held = (OLD, None)
            try:
                for each in order:
                    held = changed(change, held) if each == "b" else move(held)  # type: ignore[misc]
            except Refused:
                continue
            results.add(held)
    return results


def violation(rules: Rules, *, most_troubles: int) -> tuple[int, list[str] | None]:
    """Visit every state, the nearest first. Return how many there are, and the shortest way to a broken promise."""
    first = State(((OLD,), (None,)), (OLD, None))
    cause: dict[State, tuple[State, str] | None] = {first: None}
    level = [first]
    while level:
        following = []
        for state in level:
            own = [*steps_of_a(state, rules), *steps_of_b(state, rules), *chores(state, rules)]
            may = allowed(state, rules.change)
            if state.rows not in may or (not own and (state.seen != state.rows or state.intent is not None)):
                return len(cause), [*_way(cause, state), f"rows {state.rows}, disk {state.seen}, allowed {may}"]
            may_follow = list(own)
            if state.troubles < most_troubles:
                may_follow += troubles(state._replace(troubles=state.troubles + 1), rules)
            for did, after in may_follow:
                if after not in cause:
                    cause[after] = state, did
                    following.append(after)
        level = following
    return len(cause), None


def _way(cause: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    did: list[str] = []
    while (step := cause[state]) is not None:
        state, what = step
        did.append(what)
    return did[::-1]
