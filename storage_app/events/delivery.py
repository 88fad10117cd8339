"""The delivery of events, by one thread among all workers and nodes: one at a time for each key, in order."""

import logging
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from ..domain.times import now
from ..errors import StorageError
from ..host import measures
from ..index import Event, Index, Outbox
from .endpoint import AT_ONCE, Answer, Endpoint

log = logging.getLogger(__name__)

# An event is sent this late, so that one of the same key that was committed before can arrive.
SETTLED = timedelta(milliseconds=250)
# Attempts go on for a day, a second apart at first and an hour at last.
GIVE_UP = timedelta(hours=24)
_LEAST_SECONDS, _MOST_SECONDS = 1.0, 3600.0
# Delivered events can be replayed for so long.
KEPT = timedelta(days=3)
_LOOK_SECONDS = 0.25
_TRY_SECONDS = 1  # to become the one that delivers
# So long, the answers to several events are waited for, because they are noted together.
_TOGETHER_SECONDS = 0.05
_PRUNE_SECONDS = 60


class Deliverer:
    """A thread that delivers events while no other process does."""

    def __init__(self, index: Index, outbox: Outbox, endpoint: Endpoint) -> None:
        self._index = index
        self._outbox = outbox
        self._endpoint = endpoint
        self._pruned_at = self._forwarded_at = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Stop the thread. With `wait`, return only once the events on their way are settled."""
        self._stopped.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        measured_at = float("-inf")
        while not self._stopped.wait(_TRY_SECONDS):
            try:
                if time.monotonic() - measured_at > _PRUNE_SECONDS:
                    self._outbox.measure()
                    measured_at = time.monotonic()
                with self._outbox.delivering() as is_ours:
                    if is_ours:
                        self._deliver()
            except (StorageError, OSError) as error:
                log.warning("the delivery of webhooks is put off: %s", error)
            except Exception:  # nothing restarts this thread
                log.exception("the delivery of webhooks failed")

    def _deliver(self) -> None:
        """Deliver what is due, and look after the outbox, until the thread is stopped."""
        under_way: dict[Future[Answer], Event] = {}
        self._pruned_at = float("-inf")
        is_wanted = True
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            while not self._stopped.is_set():
                self._look_after()
                if is_wanted:
                    self._send(pool, under_way)
                if not under_way:
                    self._stopped.wait(_LOOK_SECONDS)
                elif self._settle(under_way) and is_wanted:
                    log.error("the receiver of webhooks answered 410, so nothing is sent until the next start")
                    is_wanted = False
            wait(under_way)
            self._settle(under_way)

    def _look_after(self) -> None:
        """Forward what was announced, and prune now and then. Raises `Unavailable` if another may deliver too."""
        if time.monotonic() - self._pruned_at > _PRUNE_SECONDS:
            self._outbox.prune(now() - KEPT)
            self._pruned_at = time.monotonic()
        if time.monotonic() - self._forwarded_at > _LOOK_SECONDS:
            self._outbox.check_delivering()
            self._index.forward(self._outbox)
            self._forwarded_at = time.monotonic()

    def _send(self, pool: ThreadPoolExecutor, under_way: dict[Future[Answer], Event]) -> None:
        """Send what is due, one event of a key at a time."""
        busy = {(event.change.bucket.uid, event.change.key) for event in under_way.values()}
        for event in self._outbox.due(settled=SETTLED, limit=2 * AT_ONCE):
            if len(under_way) < AT_ONCE and (event.change.bucket.uid, event.change.key) not in busy:
                under_way[pool.submit(self._endpoint.send, event.change)] = event

    def _settle(self, under_way: dict[Future[Answer], Event]) -> bool:
        """Note what came of the events that were answered. Return whether the receiver wants no more."""
        done, _ = wait(under_way, timeout=_TOGETHER_SECONDS)
        answers = [(under_way.pop(future), future.result()) for future in done]
        delivered = [event for event, answer in answers if answer.failure is None]
        self._outbox.delivered(delivered)
        for _ in delivered:
            measures.count(measures.Event.WEBHOOK, "delivered")
        for event, answer in answers:
            if answer.failure is not None:
                self._failed(event, answer.failure)
        return any(answer.is_gone for _, answer in answers)

    def _failed(self, event: Event, failure: str) -> None:
        pause = pause_after(event)
        self._outbox.failed(event, failure, again_at=None if pause is None else now() + pause)
        measures.count(measures.Event.WEBHOOK, "given_up" if pause is None else "failed")
        about = {"event": event.id, "failure": failure, "attempts": event.attempts + 1}
        log.log(logging.ERROR if pause is None else logging.WARNING, "a webhook was not received", extra=about)


def pause_after(event: Event) -> timedelta | None:
    """Return how long to wait after another failed attempt at `event`. None if that was the last."""
    if event.first_tried_at is not None and now() - event.first_tried_at >= GIVE_UP:
        return None
    seconds = min(_MOST_SECONDS, _LEAST_SECONDS * 2.0 ** min(event.attempts, 20))
    return timedelta(seconds=seconds * random.uniform(0.5, 1))  # noqa: S311  # so that not all are due at once
