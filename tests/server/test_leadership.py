"""One thread leads as long as it is needed, and another one takes its place when it cannot."""

import threading

import pytest

from storage_app.server import leadership as module
from storage_app.server.leadership import Leadership


class Led:
    """A leadership whose calls are counted, and whether it is needed."""

    def __init__(self) -> None:
        self.is_idle = False
        self.calls = 0
        self.leadership = Leadership(lambda: self.is_idle, self._call)

    def _call(self) -> None:
        self.calls += 1

    def take_in_another_thread(self) -> bool:
        taken: list[bool] = []
        thread = threading.Thread(target=lambda: taken.append(self.leadership.take()))
        thread.start()
        thread.join()
        return taken[0]


@pytest.fixture
def led() -> Led:
    return Led()


def test_no_more_threads_are_called_than_one_that_has_not_come(led: Led) -> None:
    led.leadership.fill()
    led.leadership.fill()
    assert led.calls == 1
    led.leadership.come()
    assert led.leadership.take()
    led.leadership.fill()
    assert led.calls == 1


def test_no_thread_leads_without_need(led: Led) -> None:
    led.is_idle = True
    led.leadership.fill()
    assert not led.leadership.take()
    assert led.calls == 0


def test_one_thread_leads_until_it_gives_up(led: Led) -> None:
    assert led.leadership.take()
    assert led.leadership.take()
    assert not led.take_in_another_thread()
    led.leadership.give_up()
    assert led.calls == 1
    assert led.take_in_another_thread()
    led.leadership.give_up()
    assert led.calls == 1


def test_leader_that_takes_long_is_replaced(led: Led, monkeypatch: pytest.MonkeyPatch) -> None:
    assert led.leadership.take()
    led.leadership.replace_stuck()
    led.leadership.turn_to_request()
    led.leadership.replace_stuck()
    assert not led.take_in_another_thread()
    monkeypatch.setattr(module, "TURN_SECONDS", -1)
    led.leadership.replace_stuck()
    assert led.calls == 1
    assert led.take_in_another_thread()
