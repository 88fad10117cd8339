"""An operation of which one call fails, in a process that lives on."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

from storage_app.errors import StorageError
from tests.faults.promises import check_going_on, check_promises
from tests.faults.runs import Report, Run, Trial, described, trial, victim_of
from tests.faults.tracing import traced
from tests.faults.victims import Answered
from tests.support.core import Core

ERRORS = ("EIO", "ENOSPC", "EROFS")
# Once, and so long that what cleans up fails as well.
TIMES = (1, 3)
ANSWERS_OF_A_DISK = {503, 507}


def fail_everywhere(name: str, folder: Path, url: str, *, long: bool) -> Report:
    """Let each call of the operation called `name` fail; the short form takes some of them, with an error in turn.

    The stores are made in `folder`, their indexes as copies of the empty database at `url`, or as files where it is "".
    """
    report = Report()
    prepared = trial(name, folder, url, long=long)
    every = list(product(ERRORS, TIMES))
    for turn, call in enumerate(call for call in prepared.calls if call.may_fail):
        for error, times in every if long else [every[turn % len(every)]]:
            report.points += 1
            _fail(prepared, call.failing(error, times=times), f"{call}, {error}, {times} times", report)
    return report


def _fail(prepared: Trial, fault: str, at: str, report: Report) -> None:
    place = prepared.template.copied(prepared.folder / "failing")

    try:
        with report.looking(f"{prepared.name}, {at}"), victim_of(place, _going_on(prepared)) as victim:
            victim.wait_until_ready()
            with traced(victim.pid, fault=fault):
                victim.run()
            ended, complaints = victim.end()
            report.broken += [f"{prepared.name}, {at}: {complaint}" for complaint in complaints]
            assert ended == 0, ended
    finally:
        place.remove()


def _going_on(prepared: Trial) -> Run:
    """Run the operation in a process whose disk fails, and go on when it does not fail any more."""

    def run(core: Core, _: Answered) -> Callable[[], list[str]]:
        answers: list[None] = []
        wrong = _refusal(lambda: prepared.operation.run(core, lambda: answers.append(None)))
        return lambda: wrong + _later(core, prepared, len(answers))

    return run


def _refusal(operation: Callable[[], None]) -> list[str]:
    """Run it; return what is wrong with the answer."""
    try:
        operation()
    except StorageError as error:
        return [] if error.status in ANSWERS_OF_A_DISK else [f"answered {error.status}: {described(error)}"]
    except Exception as error:  # noqa: BLE001  each is a finding
        return [f"answered 500: {described(error)}"]
    return []


def _later(core: Core, prepared: Trial, answered: int) -> list[str]:
    """Return what is wrong with the store when the process has looked after it once, as it does every second."""
    try:
        core.services.background.look()
        check_promises(core, prepared.operation, answered, prepared.before, explained=True)
        check_going_on(core, prepared.operation, answered)
    except Exception as error:  # noqa: BLE001  each is a finding
        return [f"later {described(error)}"]
    return []
