"""Group commit: threads that arrive while another one commits share the next transaction."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from ..errors import StorageError
from ..host.blocking import acquired
from ..host.measures import Duration, observe_wait
from .transaction import Transaction

# Something to do in a write transaction. If it raises, it must not have written.
Work = Callable[[Transaction], None]
T = TypeVar("T")


class GroupCommit(Generic[T]):
    """Runs work in transactions that `write` opens. Each takes all the work that is waiting when it begins."""

    def __init__(self, write: Callable[[], AbstractContextManager[T]]) -> None:
        self._write = write
        self._waiting: deque[tuple[Callable[[T], None], Future[None]]] = deque()
        self._running = threading.Lock()

    def run(self, work: Callable[[T], None]) -> None:
        """Return when `work` is done and committed. Raises what `work` raises, and what `write` raises."""
        done: Future[None] = Future()
        self._waiting.append((work, done))
        began = time.perf_counter()
        acquired(self._running)
        observe_wait(Duration.LOCK_WAIT, began)
        try:
            if not done.done():  # another thread may have done it along with its own
                self._run_all()
        finally:
            self._running.release()
        done.result()

    def _run_all(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        # A refusal concerns its own work. Any other failure may have ended the transaction, so it concerns all of them.
        refused: dict[int, BaseException] = {}
        try:
            with self._write() as transaction:
                for number, (work, _) in enumerate(batch):
                    try:
                        work(transaction)
                    except StorageError as error:
                        refused[number] = error
        except BaseException as error:
            refused = dict.fromkeys(range(len(batch)), error)
            if not isinstance(error, Exception):
                raise
        finally:
            for number, (_, done) in enumerate(batch):
                if number in refused:
                    done.set_exception(refused[number])
                else:
                    done.set_result(None)
