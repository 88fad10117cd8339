"""The rows of resumable uploads: what they reserve of quotas and the disk, and which have expired."""

from dataclasses import replace
from datetime import timedelta

from storage_app.domain.resumables import ResumableReservation
from storage_app.index import Index
from tests.support.core import A_TIME

ONE = ResumableReservation(
    id="one",
    uploader="alice",
    bucket_uid="uid",
    size=10,
    growth=7,
    received=4,
    is_open=True,
    created_at=A_TIME,
    expires_at=A_TIME + timedelta(days=1),
)
TWO = replace(ONE, id="two", uploader="bob", size=100, growth=100, received=0)
DONE = replace(ONE, id="done", size=0, growth=0, received=0, is_open=False)


def test_rows_are_put_changed_and_ended(index: Index) -> None:
    with index.write() as transaction:
        for row in (ONE, TWO, DONE):
            transaction.put_resumable(row)
        assert transaction.resumable("one") == ONE
        assert transaction.resumable("none") is None
        transaction.receive_resumable("one", 6)
        transaction.put_resumable(replace(TWO, size=50))
    assert index.resumables(after="", limit=9) == [DONE, replace(ONE, received=6), replace(TWO, size=50)]
    assert index.resumables(after="done", limit=1) == [replace(ONE, received=6)]
    with index.write() as transaction:
        transaction.end_resumables(["one", "none"])
        transaction.end_reservation("two")
    assert index.resumables(after="", limit=9) == [DONE]


def test_open_uploads_count_with_what_they_may_send(index: Index) -> None:
    assert index.open_resumables() == (0, 0)
    with index.write() as transaction:
        for row in (ONE, TWO, DONE):
            transaction.put_resumable(row)
        assert transaction.open_resumables() == (2, 106)
        assert transaction.open_resumables(uploader="alice") == (1, 6)
        assert transaction.open_resumables(uploader="carol") == (0, 0)
    assert index.open_resumables() == (2, 106)


def test_growth_counts_against_the_quota(index: Index) -> None:
    with index.write() as transaction:
        for row in (ONE, TWO, DONE, replace(ONE, id="elsewhere", bucket_uid="other")):
            transaction.put_resumable(row)
        assert transaction.reserved("uid") == 107
        assert transaction.reserved("uid", but_of=["two"]) == 7
        assert transaction.reserved("uid", but_of=["one", "two"]) == 0


def test_expired_uploads_are_found_the_oldest_first(index: Index) -> None:
    rows = [replace(ONE, id=str(days), expires_at=A_TIME + timedelta(days=days)) for days in (3, 1, 2)]
    with index.write() as transaction:
        for row in rows:
            transaction.put_resumable(row)
    assert index.expired_resumables(A_TIME + timedelta(days=2), limit=9) == ["1", "2"]
    assert index.expired_resumables(A_TIME + timedelta(days=9), limit=1) == ["1"]
