"""The questions that are asked of a store, with what they take and whether the answer is right."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from .clients import Client, page_at

_SETS = 25  # of questions in a round
_PAUSE_SECONDS = 0.01  # between questions, so that a client alone does not keep a core busy
_ORDERS = {"by key": False, "by -created_at": True}
_PLACES = {"at the beginning": 0.0, "in the middle": 0.5, "at the end": 1.0}

# Seconds, by the name of the question.
Timings = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    ask: Callable[[], object]
    answer: object

    def timed(self) -> float:
        """Ask, and return the seconds it took. Raises `RuntimeError` when the answer is wrong."""
        began = time.perf_counter()
        answer = self.ask()
        seconds = time.perf_counter() - began
        if answer != self.answer:
            raise RuntimeError(f"{self.name}: the answer was {answer!r}, not {self.answer!r}.")
        return seconds


class Questions:
    """Asks one client the same questions over and over, each time about a file in another place."""

    def __init__(self, client: Client, limit: int) -> None:
        self.timings: Timings = defaultdict(list)
        self._client = client
        self._limit = limit
        self._random = random.Random(client.store.count)  # noqa: S311  the same places in every run
        self._left: Iterator[Question] = iter(())

    def ask(self) -> bool:
        """Ask the next question, if any is left of the set; return whether one was."""
        question = next(self._left, None)
        if question is not None:
            self.timings[question.name].append(question.timed())
        return question is not None

    def ask_on(self) -> None:
        """Ask the next question, of a new set after the last one, and leave the service a moment."""
        if not self.ask():
            self.begin_set()
        threading.Event().wait(_PAUSE_SECONDS)

    def end_set(self) -> None:
        """Ask what is left of the set; the store is as before it then."""
        while self.ask():
            pass

    def begin_set(self) -> None:
        self._left = self._set()

    def _set(self) -> Iterator[Question]:
        client, store = self._client, self._client.store
        for order, newest_first in _ORDERS.items():
            for place, part in _PLACES.items():
                page = page_at(store, part, newest_first=newest_first, limit=self._limit)
                yield Question(f"a page {order}, {place}", partial(client.page, page), page.keys)
        key = store.key(self._random.randrange(store.count))
        yield Question("a lookup", partial(client.info, key), key)
        yield Question("the totals", client.totals, store.count)
        yield Question("an upload of 1 KiB", partial(client.upload, f"{key}-new"), None)
        yield Question("a delete", partial(client.delete, f"{key}-new"), None)

    def timings_by_kind(self) -> Timings:
        """Return the timings with the pages of one order together."""
        kinds: Timings = defaultdict(list)
        for name, seconds in self.timings.items():
            kinds[name.partition(",")[0]] += seconds
        return kinds


def ask_in_turn(clients: Sequence[Client], limit: int) -> list[Timings]:
    """Ask every client each question before the next one; return the timings of each client."""
    everybody = [Questions(client, limit) for client in clients]
    for questions in everybody:  # caches fill, connections open
        questions.begin_set()
        questions.end_set()
        questions.timings.clear()
    for number in range(_SETS):
        turns = everybody if number % 2 else everybody[::-1]
        for questions in turns:
            questions.begin_set()
        while all(questions.ask() for questions in turns):
            pass
    return [questions.timings for questions in everybody]
