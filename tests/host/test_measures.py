"""What happens is told to the recorder that is installed, and to nobody otherwise."""

import time

from storage_app.host import measures
from storage_app.host.measures import Duration, Event
from tests.support.measured import Kept


def test_recorder_is_told_what_happens_and_how_long_it_took(kept: Kept) -> None:
    measures.count(Event.EARLY_REFUSAL, "4xx")
    measures.count(Event.WORKER_START)
    measures.observe(Duration.SYNC, time.perf_counter() - 3)

    assert kept.events == [(Event.EARLY_REFUSAL, "4xx"), (Event.WORKER_START, "")]
    ((what, seconds),) = kept.durations
    assert (what, round(seconds)) == (Duration.SYNC, 3)


def test_short_wait_is_none(kept: Kept) -> None:
    measures.observe_wait(Duration.LOCK_WAIT, time.perf_counter() + 60)
    measures.observe_wait(Duration.LOCK_WAIT, time.perf_counter() - 60)

    ((what, seconds),) = kept.durations
    assert (what, round(seconds)) == (Duration.LOCK_WAIT, 60)


def test_nobody_is_told_without_a_recorder(kept: Kept) -> None:
    measures.install(None)
    measures.count(Event.WORKER_START)
    measures.observe(Duration.SYNC, 0)

    assert (kept.events, kept.durations) == ([], [])
