"""Looks at every state that the steps can reach, the nearest first, and holds each to the promises."""

from collections.abc import Iterator
from functools import cache
from itertools import permutations
from typing import NamedTuple

from tests.model import steps, troubles
from tests.model.values import (
    NAMES,
    OLD,
    OVER,
    At,
    Disk,
    Index,
    Move,
    Operation,
    Process,
    Record,
    Refused,
    Rules,
    Staging,
    State,
    outcome,
)


class Violation(NamedTuple):
    """A promise that is broken, and the shortest way there."""

    broken: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        numbered = (f"{number:3}. {step}" for number, step in enumerate(self.trace, 1))
        return "\n".join([*numbered, f"     -> {self.broken}"])


class Explored(NamedTuple):
    states: int
    violation: Violation | None


def explore(rules: Rules, *, old: bool, most_troubles: int) -> Explored:
    """Visit every state, breadth first, until a promise is broken; `old` says whether there is a file before."""
    first = _beginning(old=old)
    cause: dict[State, tuple[State, str] | None] = {first: None}
    level = [first]
    while level:
        following: list[State] = []
        for state in level:
            own = list(_own_moves(state, rules))
            broken = _broken(state, rules, old=old, at_rest=not own)
            if broken is not None:
                return Explored(len(cause), Violation(broken, _trace(cause, state)))
            for did, after in _with_troubles(state, rules, own, most_troubles):
                if after not in cause:
                    cause[after] = state, did
                    following.append(after)
        level = following
    return Explored(len(cause), None)


def _beginning(*, old: bool) -> State:
    row = OLD if old else None
    blobs = frozenset({OLD.blob}) if old else frozenset[str]()
    return State(Disk(row, blobs, row, blobs), Index(row))


def _own_moves(state: State, rules: Rules) -> Iterator[Move]:
    for number in range(len(NAMES)):
        yield from steps.moves_of(state, rules, number)
    yield from troubles.chores(state, rules)


def _with_troubles(state: State, rules: Rules, own: list[Move], most: int) -> Iterator[Move]:
    yield from own
    if state.troubles == most:
        return
    troubled = state._replace(troubles=state.troubles + 1)
    for number in range(len(NAMES)):
        yield from steps.troubles_of(troubled, rules, number)
    yield from troubles.troubles(troubled, rules)


def _trace(cause: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    did: list[str] = []
    while (step := cause[state]) is not None:
        state, what = step
        did.append(what)
    return tuple(reversed(did))


def _broken(state: State, rules: Rules, *, old: bool, at_rest: bool) -> str | None:
    """Say which promise is broken: some hold always, the others where nobody has anything to do."""
    disk, row = state.disk, state.index.row
    allowed = _allowed(rules.operations, state.processes, OLD if old else None)
    if disk.sidecar not in allowed:
        return f"on the disk is {disk.sidecar}, but what was answered allows {_listed(allowed)}"
    if row not in allowed:
        return f"a read finds {row}, but what was answered allows {_listed(allowed)}"
    if disk.sidecar is not None and disk.sidecar.blob not in disk.blobs:
        return "the sidecar names bytes that are not there"
    if row is not None and row.blob not in disk.blobs:
        return "a read finds a row, but not its bytes"
    return _left(state) if at_rest else None


def _listed(records: frozenset[Record | None]) -> str:
    return " or ".join(sorted(map(str, records)))


def _left(state: State) -> str | None:
    disk, index = state.disk, state.index
    named = {disk.sidecar.blob} if disk.sidecar is not None else set[str]()
    if any(process.at is not At.IDLE and process.at not in OVER for process in state.processes):
        return "somebody waits for ever"
    if index.row != disk.sidecar:
        return f"a read finds {index.row}, but on the disk is {disk.sidecar}"
    if index.intents or state.in_file_logs:
        return "an intent is left"
    if any(process.staging is Staging.FULL for process in state.processes):
        return "something is left in a staging directory"
    if disk.blobs - named and not state.unexplained:
        return "bytes are left that nothing names or schedules for deletion"
    return None


def _allowed(
    operations: tuple[Operation, Operation], processes: tuple[Process, ...], old: Record | None
) -> frozenset[Record | None]:
    return _results(operations, tuple((process.at, process.after_other) for process in processes), old)


@cache
def _results(
    operations: tuple[Operation, Operation], ends: tuple[tuple[At, bool], ...], old: Record | None
) -> frozenset[Record | None]:
    """Return what the key may hold: the operations one after another, whole, in an order that clients cannot disprove.

    What was answered 2xx is among them and what was answered 4xx is not; anything else that was begun may be.
    """
    may = [number for number, (at, _) in enumerate(ends) if at not in {At.IDLE, At.REFUSED}]
    must = {number for number, (at, _) in enumerate(ends) if at is At.DONE}
    results: set[Record | None] = set()
    for count in range(len(may) + 1):
        for order in permutations(may, count):
            if must <= set(order) and not any(ends[one][1] for one in order[:-1]):
                results |= _result(operations, order, old)
    return frozenset(results)


def _result(
    operations: tuple[Operation, Operation], order: tuple[int, ...], value: Record | None
) -> set[Record | None]:
    for number in order:
        try:
            value = outcome(operations[number], NAMES[number], value)
        except Refused:
            return set()
    return {value}
