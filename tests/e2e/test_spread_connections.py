"""Connections are spread over the workers: a worker answers with one core, however many ask it.

One that has many waits for a part of a millisecond before it takes another, so it must be woken on time.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.support.disruptions import wait_until
from tests.support.service import RunningService

CONNECTIONS = 64


@pytest.fixture
def service(tmp_path: Path):
    """Two workers that both answer already: of those that do, any may take a connection."""
    with RunningService(tmp_path / "store", WEB_CONCURRENCY="2") as running, ExitStack() as stack:
        wait_until(lambda: len(running.worker_pids()) == 2)
        taken = count_from_now(running)

        def all_have_taken() -> bool:
            connect(running, stack)
            return min(taken()) > 0

        wait_until(all_have_taken)
        stack.close()
        wait_until(lambda: sum(taken()) == 0)
        yield running


def test_no_worker_takes_most_of_the_connections(service: RunningService) -> None:
    """All come at once, before any of them asks for anything."""
    taken = count_from_now(service)
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            connect(service, stack)
        wait_until(lambda: sum(taken()) == CONNECTIONS)
        assert min(taken()) >= CONNECTIONS // 8, taken()


def test_workers_are_woken_when_they_ask_for_it(service: RunningService) -> None:
    try:
        slack = [int(Path(f"/proc/{pid}/timerslack_ns").read_text()) for pid in service.worker_pids()]
    except PermissionError:
        pytest.skip("this needs root, to read the timer slack of another process")
    assert slack == [1, 1]


def connect(service: RunningService, stack: ExitStack) -> None:
    stack.enter_context(closing(service.connection())).connect()


def count_from_now(service: RunningService) -> Callable[[], list[int]]:
    """Return what tells how many connections each worker has taken since."""
    workers = service.worker_pids()
    before = [sockets_of(pid) for pid in workers]
    return lambda: [len(sockets_of(pid) - had) for pid, had in zip(workers, before, strict=True)]


def sockets_of(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(link.readlink()))
    return {name for name in found if name.startswith("socket:")}
