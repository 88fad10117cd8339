"""The time of a request is split among the parts that it spends it in: no moment counts twice."""

import threading
import time

import pytest

from storage_app.host import parts
from storage_app.host.parts import Part, part, part_of
from tests.support.service import wait_briefly


def spend(seconds: float = 0.02) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        wait_briefly()


@part_of(Part.STORE)
def store_something() -> str:
    spend()
    return "stored"


def test_part_within_a_part_has_its_own_time() -> None:
    parts.begin()
    began = time.perf_counter()
    spend()
    with part(Part.INDEX):
        spend()
        assert store_something() == "stored"
        spend()
    whole = time.perf_counter() - began
    seconds = parts.end()

    assert seconds[Part.INDEX] >= 0.04
    assert seconds[Part.STORE] >= 0.02
    assert seconds[Part.INDEX] + seconds[Part.STORE] <= whole - 0.02


def test_part_that_fails_ends() -> None:
    parts.begin()
    with pytest.raises(ZeroDivisionError), part(Part.INDEX):
        raise ZeroDivisionError
    spend()
    assert parts.end()[Part.INDEX] < 0.02


def test_nothing_is_timed_unless_it_was_begun_in_this_thread() -> None:
    parts.begin()
    other = threading.Thread(target=store_something)
    other.start()
    other.join()
    assert parts.end() == {Part.INDEX: 0, Part.STORE: 0}
    assert store_something() == "stored"
    assert parts.end() == {}
