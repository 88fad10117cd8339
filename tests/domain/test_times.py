"""Points in time: they are in UTC, whatever zone the machine is in."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from storage_app.domain.times import now


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
