"""A worker goes on with the counts of the one that it replaces, and leaves nothing of that one's state."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.metrics import shared
from tests.support.checkout import ROOT
from tests.support.metrics import Samples, parse

_WORKER = """if True:
    import sys
    from prometheus_client import generate_latest, CollectorRegistry, multiprocess
    from storage_app.host.measures import Event
    from storage_app.metrics import Metrics, shared
    number = int(sys.argv[1])
    assert not shared.counts_in_files()
    shared.share(number)
    assert shared.counts_in_files()
    metrics = Metrics()
    metrics.counters.count(Event.WORKER_START, "")
    metrics.of_worker.add("places_free", "Places.", lambda: 24)
    if "dead" in sys.argv:
        from pathlib import Path
        shared.forget(number, Path(sys.argv[2]))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    print(generate_latest(registry).decode())
"""


def run(number: int, directory: Path, *more: str) -> Samples:
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(number), str(directory), *more],
        cwd=ROOT,
        env={"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def test_worker_goes_on_with_the_counts_of_the_one_before(tmp_path: Path) -> None:
    seen = [run(0, tmp_path)["workers_started_total"] for _ in range(3)]
    files = {path.name for path in tmp_path.iterdir()}

    assert seen == [1, 2, 3]
    assert files == {"counter_0.db", "histogram_0.db", "gauge_livesum_0.db"}


def test_counts_and_gauges_of_all_workers_are_added_up(tmp_path: Path) -> None:
    run(0, tmp_path)
    both = run(1, tmp_path)
    assert (both["workers_started_total"], both["places_free"]) == (2, 48)


def test_state_of_a_dead_worker_is_forgotten_and_its_counts_are_kept(tmp_path: Path) -> None:
    run(0, tmp_path)
    left = run(1, tmp_path, "dead")
    assert (left["workers_started_total"], left["places_free"]) == (2, 24)


def test_files_have_room_before_a_worker_writes_to_them(tmp_path: Path) -> None:
    shared.prepare(0, tmp_path)
    files = {path.name: path.stat() for path in tmp_path.iterdir()}
    assert set(files) == {"counter_0.db", "histogram_0.db", "gauge_livesum_0.db"}
    assert all(found.st_blocks * 512 >= found.st_size > 0 for found in files.values())
    assert run(0, tmp_path)["workers_started_total"] == 1
    shared.prepare(0, tmp_path)
    assert run(0, tmp_path)["workers_started_total"] == 2


def test_file_without_room_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        shared.prepare(0, tmp_path)
    assert list(tmp_path.glob("*.db")) == []
