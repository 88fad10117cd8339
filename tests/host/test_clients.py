"""The marks of code that depends on its client: they do what the server installed, or nothing."""

from collections.abc import Iterator

import pytest

from storage_app.host import clients
from storage_app.host.clients import BUFFERED_BYTES, Watch


class Rules:
    def __init__(self) -> None:
        self.held = 0
        self.seconds: list[float] = []
        self.watches: list[Watch | None] = []

    def hold(self) -> None:
        self.held += 1

    def limit_body(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def watch_silence(self, watch: Watch | None) -> None:
        self.watches.append(watch)


@pytest.fixture
def rules() -> Iterator[Rules]:
    installed = Rules()
    clients.install(installed)
    yield installed
    clients.install(None)


@pytest.mark.parametrize(("size", "places"), [(0, 0), (BUFFERED_BYTES, 0), (BUFFERED_BYTES + 1, 1)])
def test_an_answer_needs_a_place_unless_the_kernel_takes_it_at_once(rules: Rules, size: int, places: int) -> None:
    clients.expect_answer(size)
    assert rules.held == places


def test_long_work_needs_a_place(rules: Rules) -> None:
    clients.expect_long_work()
    assert rules.held == 1


def test_a_short_body_has_a_limit(rules: Rules) -> None:
    clients.expect_body_within(3)
    assert rules.seconds == [3]


def test_without_rules_the_marks_do_nothing() -> None:
    clients.install(None)
    clients.expect_answer(1 << 40)
    clients.expect_body_within(0)


def test_silence_is_watched_within_the_block_alone(rules: Rules) -> None:
    with clients.silence_watched(print):
        assert rules.watches == [print]
    assert rules.watches == [print, None]
