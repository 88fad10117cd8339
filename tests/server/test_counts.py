"""The numbers of the workers: no two living ones have the same, and one that ended gives its back."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage_app.host.shared_memory import SharedMemory
from storage_app.server import counts


def workers(*numbers: int) -> SimpleNamespace:
    return SimpleNamespace(WORKERS={100 + number: SimpleNamespace(number=number) for number in numbers})


def number_beside(*numbers: int) -> int:
    worker = SimpleNamespace()
    counts.give_number(workers(*numbers), worker)
    return int(worker.number)


def test_worker_gets_the_least_number_that_no_other_has() -> None:
    assert [number_beside(), number_beside(0), number_beside(0, 1), number_beside(1, 2), number_beside(2, 0)] == [
        0, 1, 2, 0, 1,
    ]  # fmt: skip


def test_worker_starts_though_there_is_no_room_to_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counts, "directory", SharedMemory("counts", tmp_path))  # not created
    worker, server = SimpleNamespace(), workers(0)
    server.log = logging.getLogger("master")
    counts.prepare(server, worker)
    assert worker.number == 1
    assert "There is no room to count in" in caplog.text
