"""The bounds of operations on many files: how long, how many failures, how many at once, and in which place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from storage_app.errors import FileNotFound, Unavailable
from storage_app.host import clients
from storage_app.services import bulk
from storage_app.services.bulk import MAX_BATCH, MAX_FAILED, Bulk, BulkResult


def counting(until: int) -> Callable[[int], Sequence[int]]:
    """Return a source of the numbers up to `until`."""
    numbers = iter(range(until))
    return lambda limit: [number for _, number in zip(range(limit), numbers, strict=False)]


def succeed(items: Sequence[int], result: BulkResult) -> None:
    result.done += len(items)


def fail(items: Sequence[int], result: BulkResult) -> None:
    for item in items:
        result.fail(str(item), FileNotFound("photos", str(item)))


@pytest.mark.parametrize("count", [0, 1, MAX_BATCH, 2 * MAX_BATCH + 1])
def test_everything_is_done_in_batches(tmp_path: Path, count: int) -> None:
    batches: list[int] = []

    def work(items: Sequence[int], result: BulkResult) -> None:
        batches.append(len(items))
        succeed(items, result)

    assert Bulk(tmp_path).run(counting(count), work) == BulkResult(count, [], complete=True)
    assert sum(batches) == count
    assert max(batches, default=0) <= MAX_BATCH


def test_it_ends_after_its_time_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_SECONDS", 0)
    assert Bulk(tmp_path).run(counting(1), succeed) == BulkResult(0, [], complete=False)
    assert Bulk(tmp_path).run(counting(0), succeed).complete


@pytest.mark.parametrize(("count", "complete"), [(MAX_FAILED, True), (MAX_FAILED + 1, False)])
def test_it_ends_after_its_failures_and_names_no_more(tmp_path: Path, count: int, complete: bool) -> None:
    result = Bulk(tmp_path).run(counting(count), fail)
    assert (len(result.failed), result.complete) == (MAX_FAILED, complete)
    assert {failure.code for failure in result.failed} == {"file_not_found"}


def test_no_more_than_a_few_run_at_once_in_all_processes(tmp_path: Path) -> None:
    held = 0

    def nest(_: Sequence[int], __: BulkResult) -> None:
        nonlocal held
        held += 1
        Bulk(tmp_path).run(counting(1), nest)

    with pytest.raises(Unavailable) as refused:
        Bulk(tmp_path).run(counting(1), nest)
    assert held == 4
    assert refused.value.headers == {"Retry-After": "5"}
    assert Bulk(tmp_path).run(counting(1), succeed).complete


class Rules:
    """The places of a worker that has none left."""

    def hold(self) -> None:
        raise Unavailable("No place is left.")

    def limit_body(self, seconds: float) -> None:
        raise AssertionError

    def watch_silence(self, watch: object) -> None:
        raise AssertionError


@pytest.fixture
def no_place() -> Iterator[None]:
    with ExitStack() as installed:
        clients.install(Rules())
        installed.callback(clients.install, None)
        yield


@pytest.mark.usefixtures("no_place")
def test_it_needs_a_place_so_it_never_takes_the_last_thread(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No place"):
        Bulk(tmp_path).run(counting(1), succeed)


@pytest.mark.parametrize(
    ("batch", "seconds", "following"),
    [
        (MAX_BATCH, 0.026, 50),
        (MAX_BATCH, 0.024, MAX_BATCH),
        (MAX_BATCH, 0.001, MAX_BATCH),
        (50, 0.007, 50),
        (50, 0.006, MAX_BATCH),
        (12, 1, 10),
        (10, 1, 10),
        (10, 0, 20),
    ],
)
def test_batches_shrink_while_they_keep_others_waiting(batch: int, seconds: float, following: int) -> None:
    result = BulkResult(batch=batch)
    result.fit_batch(seconds)
    assert result.batch == following


def test_next_batch_has_the_size_that_fits(tmp_path: Path) -> None:
    sizes: list[int] = []

    def work(items: Sequence[int], result: BulkResult) -> None:
        sizes.append(len(items))
        result.fit_batch(1 if len(sizes) < 3 else 0)

    assert Bulk(tmp_path).run(counting(300), work).complete
    assert sizes == [100, 50, 25, 50, 75]


def test_progress_is_told_after_each_batch(tmp_path: Path) -> None:
    told: list[int] = []
    Bulk(tmp_path).run(counting(150), succeed, progress=lambda result: told.append(result.done))
    assert told == [100, 150]
