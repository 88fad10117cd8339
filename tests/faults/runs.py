"""One operation under faults: what its undisturbed run calls, and which of these calls are tried."""

import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.operations import OPERATIONS, Operation
from tests.faults.places import Place, prepared
from tests.faults.promises import Records, check_going_on, check_promises, records
from tests.faults.tracing import Call, changes, traced
from tests.faults.victims import Answered, Victim
from tests.support.core import Core

# Nobody listens there, and nothing is sent: that is the work of a thread that does not run here.
WEBHOOKS = {"WEBHOOK_URL": "http://127.0.0.1:9", "WEBHOOK_SECRET": "whsec_" + "A" * 32}

SAMPLED = 8  # of the calls that are no commit, neither of the index nor on the disk, one in so many


# What a victim does with the store that it holds open; it returns what is asked for complaints when the fault is over.
Run = Callable[[Core, Answered], Callable[[], list[str]]]


@dataclass
class Report:
    """How many faults were tried, which promises they broke, and in which of its states the operation was found."""

    points: int = 0
    broken: list[str] = field(default_factory=list)
    states: set[int] = field(default_factory=set)

    @contextmanager
    def looking(self, at: str) -> Iterator[None]:
        """Write down what fails in the context."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  each is a finding
            self.broken.append(f"{at}: {described(error)}")


@dataclass(frozen=True, slots=True)
class Trial:
    """An operation, the store that it is tried on, and the calls at which to disturb it."""

    name: str
    operation: Operation
    template: Place
    before: Records
    calls: list[Call]
    folder: Path


def trial(name: str, folder: Path, url: str, *, long: bool) -> Trial:
    """Prepare, in `folder`, to disturb the operation called `name`; in the short form at a sample of its calls."""
    operation = OPERATIONS[name]
    template = _template(folder, url)
    if operation.events is not None:
        template = replace(template, environment=template.environment | WEBHOOKS)
    if operation.go_on is not None:  # a boot ends uploads that were not synced
        template = replace(template, environment=template.environment | {"DURABILITY": "fsync"})
    before = _run_undisturbed(template.copied(folder / "undisturbed"), operation)
    calls = _counted(template.copied(folder / "counted"), operation, folder / "calls")
    return Trial(name, operation, template, before, calls if long else sample(calls), folder)


@functools.cache
def _template(folder: Path, url: str) -> Place:
    return prepared(folder / "template", **({"INDEX_URL": url} if url else {}))


def described(error: Exception) -> str:
    """Say what an error is and where it comes from, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} [{frame.filename}:{frame.lineno}: {frame.line}]"


def victim_of(place: Place, run: Run) -> Victim:
    """Fork a process that opens the store, waits, and runs."""

    def ready() -> Callable[[Answered], Callable[[], list[str]]]:
        core = Core(place.storage(DURABILITY="fsync"))
        # A transaction opens the database and its log, so that what is counted is the operation alone.
        with core.index.write() as transaction:
            transaction.intents()
        return lambda answered: run(core, answered)

    return Victim(ready)


def doing(operation: Operation) -> Run:
    """The operation, and nothing after it."""

    def run(core: Core, answered: Answered) -> Callable[[], list[str]]:
        operation.run(core, answered)
        return list

    return run


def sample(calls: list[Call]) -> list[Call]:
    """Choose every call that changes a name, the end of every COMMIT with the call after it, and some of the others."""
    after = [*calls[1:], None]
    before = [None, *calls[:-1]]
    return [
        call
        for number, (previous, call, following) in enumerate(zip(before, calls, after, strict=True))
        if call.names
        or (call.of_index and (following is None or not following.of_index))
        or (previous is not None and previous.of_index and not call.of_index)
        or number % SAMPLED == 0
    ]


def _run_undisturbed(place: Place, operation: Operation) -> Records:
    """Run it here, which imports and compiles what it needs, and see that it does what is said of it."""
    answers: list[None] = []
    with place.opened(DURABILITY="fsync") as core:
        before = records(core)
        operation.run(core, lambda: answers.append(None))
        assert len(answers) == len(operation.states) - 1
        check_promises(core, operation, len(answers), before, explained=True)
        check_going_on(core, operation, len(answers))
    place.remove()
    return before


def _counted(place: Place, operation: Operation, log: Path) -> list[Call]:
    with victim_of(place, doing(operation)) as victim:
        victim.wait_until_ready()
        with traced(victim.pid, log=log):
            victim.run()
        ended, complaints = victim.end()
        assert (ended, complaints) == (0, []), complaints
    found = changes(log, place.root)
    place.remove()
    return found
