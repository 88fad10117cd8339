"""Points in time: they are in UTC, whatever zone the machine is in."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from storage_app.domain.times import following, now


@pytest.fixture
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "EAST-14")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_utc")
def test_now_is_in_utc() -> None:
    before = datetime.fromtimestamp(time.time(), UTC)
    found = now()
    assert found.utcoffset() == timedelta(0)
    assert before <= found <= datetime.fromtimestamp(time.time(), UTC)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(microseconds=1), timedelta(microseconds=1)),
        (timedelta(0), timedelta(seconds=1)),
        (timedelta(days=-1), timedelta(seconds=1)),
    ],
)
def test_time_of_a_change_never_goes_back(offset: timedelta, expected: timedelta) -> None:
    earlier = now()
    assert following(earlier + offset, earlier) == earlier + expected
