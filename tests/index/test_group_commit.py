"""Work of several threads in one transaction: each is told its own outcome."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import cast

import pytest

from storage_app.errors import QuotaExceeded, Unavailable
from storage_app.host.measures import Duration
from storage_app.index import Transaction
from storage_app.index.group_commit import GroupCommit
from tests.support.measured import Kept

THREADS = 8


class Transactions:
    """Stands for the index: counts transactions, and holds the first one until `go`."""

    def __init__(self, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.fails = fails
        self.committed: list[list[int]] = []
        self.begun = Event()
        self.go = Event()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self.begun.set()
        self.go.wait(10)
        done: list[int] = []
        yield cast(Transaction, done)
        if self.fails(len(self.committed)):
            self.committed.append([])
            raise Unavailable("The disk is away.")
        self.committed.append(done)


def work(number: int) -> Callable[[Transaction], None]:
    def append(transaction: Transaction) -> None:
        if number == THREADS - 1:
            raise QuotaExceeded("Too much.")
        cast(list[int], transaction).append(number)

    return append


def run(transactions: Transactions) -> list[BaseException | None]:
    """Let one piece of work begin, and the others come meanwhile; return how each ended."""
    together = GroupCommit(transactions.write)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(together.run, work(0))
        assert transactions.begun.wait(10)
        others = [pool.submit(together.run, work(number)) for number in range(1, THREADS)]
        while len(together._waiting) < THREADS - 1:
            wait([first], timeout=0.01)
        transactions.go.set()
        return [future.exception() for future in (first, *others)]


def test_who_comes_meanwhile_shares_the_next_commit() -> None:
    transactions = Transactions()
    outcomes = run(transactions)
    assert [sorted(done) for done in transactions.committed] == [[0], list(range(1, THREADS - 1))]
    assert outcomes[:-1] == [None] * (THREADS - 1)


def test_refusal_is_told_to_whom_it_concerns() -> None:
    assert isinstance(run(Transactions())[-1], QuotaExceeded)


@pytest.mark.parametrize(("failing", "failed"), [(0, {0}), (1, set(range(1, THREADS)))])
def test_failed_commit_is_told_to_all_who_share_it(failing: int, failed: set[int]) -> None:
    outcomes = run(Transactions(lambda number: number == failing))
    unavailable = {number for number, error in enumerate(outcomes) if isinstance(error, Unavailable)}
    assert unavailable == failed


def test_interrupt_leaves_nobody_waiting() -> None:
    def interrupt(_: int) -> bool:
        raise KeyboardInterrupt

    transactions = Transactions(interrupt)
    transactions.go.set()
    together = GroupCommit(transactions.write)
    with pytest.raises(KeyboardInterrupt):
        together.run(work(0))
    assert not together._running.locked()


class OneDriverError(Exception):
    """What no refusal of ours is."""


def test_other_failure_ends_the_whole_transaction() -> None:
    """After it, the database may have rolled back already."""

    def fail(_: Transaction) -> None:
        raise OneDriverError

    transactions = Transactions()
    transactions.go.set()
    with pytest.raises(OneDriverError):
        GroupCommit(transactions.write).run(fail)
    assert transactions.committed == []


def test_wait_for_the_transaction_of_others_is_told(kept: Kept) -> None:
    transactions = Transactions()
    group = GroupCommit(transactions.write)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.run, work(1))
        transactions.begun.wait(10)
        second = pool.submit(group.run, work(2))
        wait([second], timeout=0.05)
        transactions.go.set()
        wait([first, second], timeout=10)

    assert [seconds >= 0.01 for seconds in kept.seconds(Duration.LOCK_WAIT)] == [True]
