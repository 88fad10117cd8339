"""The numbers of the workers: no two living ones have the same, and one that ended gives its back."""

from types import SimpleNamespace

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
