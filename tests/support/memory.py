"""What processes hold in memory."""

import re
import threading
from collections.abc import Iterable
from pathlib import Path

from tests.support.service import RunningService


def family(pid: int) -> list[int]:
    """Return the process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, children.split())]


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes together, shared pages counted once in proportion (PSS)."""
    return sum(_pss_bytes(pid) for pid in pids)


def _pss_bytes(pid: int) -> int:
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


class Watch:
    """Watches the peak of a service's memory while the body of the context runs."""

    def __init__(self, service: RunningService) -> None:
        assert service.process is not None
        self._pids = [service.process.pid, *service.worker_pids()]
        self._before = resident_bytes(self._pids)
        self._peak = self._before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def growth(self) -> int:
        return self._peak - self._before

    def _run(self) -> None:
        while not self._done.wait(0.05):
            self._peak = max(self._peak, resident_bytes(self._pids))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._peak = max(self._peak, resident_bytes(self._pids))
