"""Space reserved for the spool: on both databases, seen by every process, and given back."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from storage_app.domain.buckets import Bucket
from storage_app.domain.times import now
from storage_app.errors import QuotaExceeded
from storage_app.host.spool import Spool
from storage_app.index import Index
from storage_app.services.reservations import Reservations
from storage_app.services.upload_rules import UploadLimits
from tests.support.postgres import PostgresServer

FREE, MIN_FREE = 1_000, 100
ROOM = FREE - MIN_FREE
ANONYMOUS = ""
BUCKET = Bucket(uid="u", name="bucket", owner_id="alice", created_at=now(), updated_at=now(), quota=500)
OTHER = Bucket(uid="o", name="other", owner_id="alice", created_at=now(), updated_at=now())


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path / "index.sqlite3"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def index(where: Path | str) -> Iterator[Index]:
    with closing(Index(where)) as made:
        made.create()
        with made.fill() as transaction:
            for bucket in (BUCKET, OTHER):
                transaction.put_bucket(bucket)
            transaction.complete()
        yield made


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def of(index: Index, spool: Path, *, max_uploads: int = 3, clock: Callable[[], float] = time.monotonic) -> Reservations:
    limits = UploadLimits(max_file_size=None, min_free_bytes=MIN_FREE)
    return Reservations(index, Spool(spool), limits, max_uploads=max_uploads, clock=clock)


def reserve(
    reservations: Reservations,
    name: str,
    size: int,
    *,
    by: str = "alice",
    bucket: Bucket = OTHER,
    free: int | None = FREE,
) -> bool:
    return reservations.reserve(name, by, bucket, size=size, growth=size, free_bytes=free)


def test_other_process_sees_what_is_reserved(index: Index, where: Path | str, spool: Path) -> None:
    assert reserve(of(index, spool), "one", ROOM // 2)
    with closing(Index(where)) as other:
        assert not reserve(of(other, spool), "two", ROOM // 2, by="bob")
        assert of(other, spool).awaited_bytes(beside=0) == ROOM // 2
        of(other, spool).end("one")
    assert reserve(of(index, spool), "two", ROOM // 2, by="bob")


def test_bytes_that_have_arrived_are_not_counted_twice(index: Index, spool: Path) -> None:
    assert reserve(of(index, spool), "one", 400)
    (spool / "0000000001").write_bytes(b"x" * 400)
    assert of(index, spool).awaited_bytes(beside=0) == 0
    assert reserve(of(index, spool), "two", 250, by="bob", free=FREE - 400)


@pytest.mark.parametrize("stranger", ["mallory", ANONYMOUS], ids=["a user", "anonymous"])
def test_uploader_leaves_as_much_space_as_it_has_reserved(index: Index, spool: Path, stranger: str) -> None:
    reservations = of(index, spool, max_uploads=100)
    assert not reserve(reservations, "by word alone", ROOM // 2 + 1, by=stranger)
    assert [reserve(reservations, str(number), 150, by=stranger) for number in range(4)] == [True, True, True, False]
    assert not reserve(reservations, "a little", 1, by=stranger)
    assert reservations.awaited_bytes(beside=FREE) == ROOM // 2
    assert reserve(reservations, "bob's", ROOM // 4, by="bob")


def test_uploader_leaves_as_many_places_as_it_has(index: Index, spool: Path) -> None:
    reservations = of(index, spool, max_uploads=1)
    assert [reserve(reservations, str(number), 1) for number in range(11)] == [True] * 10 + [False]
    reservations.end("0")
    assert reserve(reservations, "one more", 1)
    assert reserve(reservations, "bob's", 1, by="bob")


def test_store_without_a_disk_has_places(index: Index, spool: Path) -> None:
    reservations = of(index, spool, max_uploads=1)
    assert [reserve(reservations, str(number), 10**15, free=None) for number in range(11)] == [True] * 10 + [False]


def test_quota_counts_what_is_reserved_in_its_bucket(index: Index, spool: Path) -> None:
    reservations = of(index, spool)
    assert reserve(reservations, "elsewhere", 300, free=None)
    assert reserve(reservations, "one", 400, bucket=BUCKET, free=None)
    with pytest.raises(QuotaExceeded):
        reserve(reservations, "two", 101, bucket=BUCKET, free=None)
    with index.write() as transaction:
        assert transaction.reserved(BUCKET.uid) == 400
        assert transaction.reserved(BUCKET.uid, but_of=["one"]) == 0


def test_number_of_reservations_is_bounded(index: Index, spool: Path) -> None:
    reservations = of(index, spool, max_uploads=1)
    reserved = [reserve(reservations, str(number), 1, by=str(number)) for number in range(20)]
    assert reserved == [True] * 19 + [False]


def test_no_reservation_outlives_an_hour(index: Index, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client could hold the whole disk for weeks by one declared length, and a byte a minute."""
    before = now() - timedelta(hours=1, seconds=1)
    with monkeypatch.context() as earlier:
        earlier.setattr("storage_app.services.reservations.now", lambda: before)
        of(index, spool).reserve("endless", "alice", OTHER, size=10**15, growth=10**15, free_bytes=None)
    assert of(index, spool).awaited_bytes(beside=0) == 0


def test_reservation_that_cannot_be_ended_fails_no_upload(index: Index, spool: Path) -> None:
    reservations = of(index, spool)
    reserve(reservations, "one", 1)
    index.close()
    reservations.abandon("one")


def test_reservation_ends_with_time(index: Index, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reservations = of(index, spool, max_uploads=1)
    before = now() - timedelta(seconds=76)
    with monkeypatch.context() as earlier:
        earlier.setattr("storage_app.services.reservations.now", lambda: before)
        reserve(reservations, "left by a killed nginx", 400, bucket=BUCKET)
    assert of(index, spool).awaited_bytes(beside=0) == 0
    assert reserve(reservations, "next", 450, bucket=BUCKET)
    with index.write() as transaction:
        assert transaction.reservations() == (1, 450)


def test_what_was_heard_of_others_is_remembered_for_small_uploads(index: Index, spool: Path) -> None:
    seconds = 0.0
    one, other = of(index, spool, clock=lambda: seconds), of(index, spool)
    assert one.awaited_bytes(beside=0) == 0
    assert reserve(other, "one", 400)
    seconds = 0.75
    assert one.awaited_bytes(beside=2**20 - 1) == 0
    assert one.awaited_bytes(beside=2**20) == 400
    other.end("one")
    seconds = 1.5
    assert one.awaited_bytes(beside=0) == 400
    seconds = 1.75
    assert one.awaited_bytes(beside=0) == 0
