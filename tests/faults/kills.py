"""An operation whose process is killed before a call that changes the disk, and every way to go on from there."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from storage_app.maintenance.recover import recover
from tests.faults.operations import State
from tests.faults.places import Place
from tests.faults.promises import check_going_on, check_promises, check_readers, check_whole
from tests.faults.runs import Report, Trial, doing, trial, victim_of
from tests.faults.tracing import Call, traced
from tests.support.core import Core

Way = tuple[str, Callable[[Place], None]]


def kill_everywhere(name: str, folder: Path, url: str, *, long: bool) -> Report:
    """Kill the operation called `name` before each of its calls; the short form takes some of them, and of the ways.

    The stores are made in `folder`, their indexes as copies of the empty database at `url`, or as files where it is "".
    """
    report = Report()
    prepared = trial(name, folder, url, long=long)
    for turn, call in enumerate(call for call in prepared.calls if call.may_kill):
        _KillPoint(prepared, call, report, None if long else turn).look()
    return report


class _KillPoint:
    """One kill, and what may follow it; with a `turn`, which tells the points of a sample apart, not all of it."""

    def __init__(self, prepared: Trial, call: Call, report: Report, turn: int | None) -> None:
        self._trial = prepared
        self._call = call
        self._report = report
        self._turn = turn
        self._killed = prepared.template.copied(prepared.folder / "killed")
        self._answered = 0
        report.points += 1

    def look(self) -> None:
        """Kill, and follow each way from a copy of what is left."""
        try:
            with victim_of(self._killed, doing(self._trial.operation)) as victim:
                victim.wait_until_ready()
                with self._killed.opened() as beside:
                    with traced(victim.pid, fault=self._call.killed()):
                        victim.run()
                    ended = victim.end()
                    self._answered = victim.answered
                    with self._looking("is killed"):
                        assert ended == (-signal.SIGKILL, []), ended
                    for way, follow in self._ways():
                        self._follow(way, follow)
                    held = self._go_on_beside(beside) if self._is_for_the_living() else []
            if self._is_turn(1):
                self._lose_index_after("recovered by a living process", self._killed, held)
        finally:
            self._killed.remove()

    def _ways(self) -> list[Way]:
        """What a start may find: nothing but the kill, no index, or one without its last transactions."""
        cuts = self._killed.transactions() + 1
        losses = [("lost index", self._lose_index), ("rebuild beside the living", self._rebuild_beside)]
        if self._turn is None:
            return [("restart", self._restart), *losses, *map(self._cut, range(cuts))]
        others = [*losses, *map(self._cut, (0, 1, 2, cuts - 1))]
        return [others[self._turn // 2 % len(others)]] if self._turn % 2 else [("restart", self._restart)]

    def _is_for_the_living(self) -> bool:
        return self._turn is None or self._turn % 2 == 1 or self._call.names

    def _is_turn(self, remainder: int) -> bool:
        return self._turn is None or self._turn % 4 == remainder

    def _follow(self, way: str, follow: Callable[[Place], None]) -> None:
        place = self._killed.copied(self._trial.folder / "copy")
        with self._looking(way):
            follow(place)
        place.remove()

    def _go_on_beside(self, beside: Core) -> list[State]:
        held: list[State] = []
        with self._looking("recovered by a living process"):
            check_readers(beside)
            beside.recovery.recover_dead()
            held.append(self._check(beside))
        return held

    def _restart(self, place: Place) -> None:
        with place.restarted() as core:
            held = self._check(core)
        if self._is_turn(0):
            self._lose_index_after("restart", place, [held])

    def _lose_index(self, place: Place) -> None:
        place.lose_index()
        with place.restarted() as core:
            self._check(core, explained=False)

    def _rebuild_beside(self, place: Place) -> None:
        with place.opened() as beside:
            has_outbox = "WEBHOOK_URL" in place.environment
            recover(place.root, durable=False, index_url=place.url or None, rebuild_anyway=True, has_outbox=has_outbox)
            self._check(beside)

    def _cut(self, taken_back: int) -> Way:
        def follow(place: Place) -> None:
            place.cut_power(min(taken_back, place.transactions()))
            with place.restarted() as core:
                self._check(core, explained=False)

        return f"power cut with {taken_back} transactions taken back", follow

    def _check(self, core: Core, *, explained: bool = True) -> State:
        """Check that all is well, and go on; return what the store holds then."""
        operation, before = self._trial.operation, self._trial.before
        self._report.states.add(check_promises(core, operation, self._answered, before, explained=explained))
        check_going_on(core, operation, self._answered)
        return check_whole(core, before)

    def _lose_index_after(self, way: str, place: Place, held: list[State]) -> None:
        """What there was is all there without the index, too; `held` is empty where it is not known."""
        place.lose_index()
        with self._looking(f"{way}, then lost index"), place.restarted() as core:
            now = check_whole(core, self._trial.before)
            assert now in (held or [now]), f"{now} instead of {held}"
            core.check()

    def _looking(self, way: str) -> AbstractContextManager[None]:
        return self._report.looking(f"{self._trial.name}, killed before {self._call}, {way}")
