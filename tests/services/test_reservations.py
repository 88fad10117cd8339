"""Space reserved for the spool: on both databases, seen by every process, and given back."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from storage_app.domain.buckets import Bucket
from storage_app.domain.times import now
from storage_app.errors import InsufficientStorage, QuotaExceeded, TooManyUploads
from storage_app.host.spool import Spool
from storage_app.index import Index
from storage_app.services.reservations import Reservations
from storage_app.services.upload_rules import UploadLimits
from tests.support.postgres import PostgresServer

FREE = 1_000
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


def of(index: Index, spool: Path, *, max_uploads: int = 3) -> Reservations:
    limits = UploadLimits(max_file_size=None, min_free_bytes=100)
    return Reservations(index, Spool(spool), limits, max_uploads=max_uploads)


def reserve(reservations: Reservations, name: str, size: int, *, bucket: Bucket = OTHER, free: int = FREE) -> None:
    reservations.reserve(name, bucket, size=size, growth=size, free_bytes=free)


def test_other_process_sees_what_is_reserved(index: Index, where: Path | str, spool: Path) -> None:
    reserve(of(index, spool), "one", 600)
    with closing(Index(where)) as other:
        with pytest.raises(InsufficientStorage):
            reserve(of(other, spool), "two", 400)
        assert of(other, spool).awaited_bytes(beside=0) == 600
        of(other, spool).end("one")
    reserve(of(index, spool), "two", 400)


def test_bytes_that_have_arrived_are_not_counted_twice(index: Index, spool: Path) -> None:
    reserve(of(index, spool), "one", 600)
    (spool / "0000000001").write_bytes(b"x" * 600)
    assert of(index, spool).awaited_bytes(beside=0) == 0
    reserve(of(index, spool), "two", 300, free=FREE - 600)


def test_quota_counts_what_is_reserved_in_its_bucket(index: Index, spool: Path) -> None:
    reservations = of(index, spool)
    reserve(reservations, "elsewhere", 300)
    reserve(reservations, "one", 400, bucket=BUCKET)
    with pytest.raises(QuotaExceeded):
        reserve(reservations, "two", 101, bucket=BUCKET)
    with index.write() as transaction:
        assert transaction.reserved(BUCKET.uid) == 400
        assert transaction.reserved(BUCKET.uid, but_spooled="one") == 0


def test_number_of_reservations_is_bounded(index: Index, spool: Path) -> None:
    reservations = of(index, spool, max_uploads=1)
    for number in range(20):
        reserve(reservations, str(number), 1)
    with pytest.raises(TooManyUploads):
        reserve(reservations, "one more", 1)
    reservations.end("0")
    reserve(reservations, "one more", 1)


def test_no_reservation_outlives_an_hour(index: Index, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client could hold the whole disk for weeks by one declared length, and a byte a minute."""
    before = now() - timedelta(hours=1, seconds=1)
    with monkeypatch.context() as earlier:
        earlier.setattr("storage_app.services.reservations.now", lambda: before)
        of(index, spool).reserve("endless", OTHER, size=10**15, growth=10**15, free_bytes=None)
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
    reserve(reservations, "next", 500, bucket=BUCKET)
    with index.write() as transaction:
        assert transaction.reservations() == (1, 500)


def test_what_was_heard_of_others_is_remembered_for_small_uploads(index: Index, spool: Path) -> None:
    one, other = of(index, spool), of(index, spool)
    assert one.awaited_bytes(beside=0) == 0
    reserve(other, "one", 600)
    assert one.awaited_bytes(beside=2**20) == 600
    other.end("one")
    assert one.awaited_bytes(beside=0) == 600
