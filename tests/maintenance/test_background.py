"""The background thread: it looks after the store until it is stopped, whatever fails meanwhile."""

import threading
from datetime import timedelta

import pytest

from storage_app.errors import Unavailable
from storage_app.host.ballast import Ballast
from storage_app.host.spool import Spool
from storage_app.maintenance import background
from storage_app.maintenance.background import BackgroundThread
from storage_app.maintenance.resumables import ResumableUpkeep
from tests.support.core import Core, blobs
from tests.support.service import wait_briefly


def background_of(core: Core) -> BackgroundThread:
    """A background that has not started."""
    ballast = Ballast(core.layout.ballast)
    upkeep = ResumableUpkeep(core.index, core.store, core.resumables)
    spool = Spool(core.layout.spool)
    return BackgroundThread(
        core.index, core.store, core.recovery, ballast, spool, upkeep, lock=core.layout.collect_lock
    )


def test_janitor_sweeps_until_it_is_stopped(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(background, "_COLLECT_SECONDS", 0.01)
    monkeypatch.setattr(background, "GRACE", timedelta(0))
    core.put("a.txt", b"old")
    kept, _ = core.put("a.txt", b"new")
    thread = background_of(core)
    thread.start()
    waited = threading.Event()
    timer = threading.Timer(30, waited.set)
    timer.start()
    while blobs(core.root) != [kept.blob] and not waited.is_set():
        wait_briefly()
    timer.cancel()
    thread.stop()
    assert blobs(core.root) == [kept.blob]
    assert "background" not in [running.name for running in threading.enumerate()]


@pytest.mark.parametrize("error", [Unavailable("the index is away"), ZeroDivisionError()])
def test_janitor_survives_a_failed_sweep(core: Core, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    twice = threading.Event()

    def failing(*_: object, **__: object) -> int:
        collected.append(1)
        if len(collected) > 1:
            twice.set()
        raise error

    monkeypatch.setattr(background, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(background, "_COLLECT_SECONDS", 0.01)
    monkeypatch.setattr(background, "collect", failing)
    thread = background_of(core)
    thread.start()
    assert twice.wait(30)
    thread.stop()


def test_janitor_that_never_started_can_be_stopped(core: Core) -> None:
    background_of(core).stop()
