"""What resumable uploads reserve: quotas, the disk, and places, none of which one uploader can take from all others."""

from collections.abc import Callable

import pytest

from storage_app.domain.principals import Replace, UploadRight
from storage_app.domain.resumables import Resumable
from storage_app.domain.uploads import UploadRequest
from storage_app.errors import InsufficientStorage, QuotaExceeded, TooManyUploads
from storage_app.services.resumables import reservations as module
from storage_app.services.resumables.reservations import ResumableReservations
from storage_app.services.upload_rules import UploadLimits
from tests.support.core import ALICE, Core
from tests.support.resumables import a_resumable, reserved

ANYBODY = UploadRight("alice", create=True, replace=Replace.NONE)

Reserve = Callable[..., Resumable]


@pytest.fixture
def of_disk(core: Core) -> Callable[[int | None], Reserve]:
    """Make what reserves on a disk with so many bytes free, of which 100 have to stay."""

    def make(free: int | None) -> Reserve:
        limits = UploadLimits(max_file_size=None, min_free_bytes=100)
        reservations = ResumableReservations(core.index, core.services.reservations, limits, lambda: free)

        def reserve(number: int, length: int | None = 10, *, received: int = 0, **fields: object) -> Resumable:
            bucket = core.buckets.get(ALICE, "photos")[0]
            request = UploadRequest("photos", key=str(number))
            upload = a_resumable(str(number), bucket_uid=bucket.uid, length=length, request=request, **fields)
            reservations.reserve(upload, bucket, received=received)
            return upload

        return reserve

    return make


def test_disk_has_room_for_all_that_may_be_sent(core: Core, of_disk: Callable[[int | None], Reserve]) -> None:
    reserve = of_disk(150)
    for number in range(5):
        reserve(number)
    with pytest.raises(InsufficientStorage):
        reserve(5, 1)
    assert reserved(core) == (5, 50)
    reserve(0, received=10)  # what is here is no more to come
    reserve(5)


def test_store_without_a_limit_has_room(of_disk: Callable[[int | None], Reserve]) -> None:
    of_disk(None)(0, 2**60)


def test_anonymous_uploaders_leave_half(core: Core, of_disk: Callable[[int | None], Reserve]) -> None:
    reserve = of_disk(200)
    reserve(0, 40, right=ANYBODY)
    with pytest.raises(InsufficientStorage):
        reserve(1, 11, right=ANYBODY)
    reserve(1, 10, right=ANYBODY)
    reserve(2, 50)
    with pytest.raises(InsufficientStorage):
        reserve(3, 1)
    assert reserved(core) == (3, 100)


def test_quota_counts_whatever_is_reserved(core: Core, of_disk: Callable[[int | None], Reserve]) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 25})
    core.put("0", b"12345")
    reserve = of_disk(None)
    reserve(0)  # replaces five bytes
    reserve(1)
    with pytest.raises(QuotaExceeded):
        reserve(2, 6)
    reserve(2, 5)
    with pytest.raises(QuotaExceeded):
        core.put("other", b"x")


def test_nobody_takes_the_last_places(
    core: Core, of_disk: Callable[[int | None], Reserve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_OPEN", 10)
    reserve, bob = of_disk(None), UploadRight("bob", create=True, replace=Replace.OWN)
    for number in range(5):
        reserve(number)
    with pytest.raises(TooManyUploads):
        reserve(5)
    for number in range(5, 7):
        reserve(number, right=bob)
    with pytest.raises(TooManyUploads):
        reserve(7, right=bob)
    assert reserved(core)[0] == 7


def test_refused_change_keeps_what_was_reserved(core: Core, of_disk: Callable[[int | None], Reserve]) -> None:
    reserve = of_disk(150)
    reserve(0, 10)
    with pytest.raises(InsufficientStorage):
        reserve(0, 51)
    assert reserved(core) == (1, 10)


def test_reservation_of_a_replaced_one_is_changed(core: Core, of_disk: Callable[[int | None], Reserve]) -> None:
    reserve = of_disk(None)
    reserve(0, None, received=3)
    assert reserved(core) == (1, 0)
    reserve(0, 10, received=3)
    assert reserved(core) == (1, 7)
