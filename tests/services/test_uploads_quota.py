"""A bucket's quota: never exceeded, whoever uploads at once, and nothing refused that fits."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.files import UNCONDITIONAL
from storage_app.errors import QuotaExceeded
from storage_app.services.upload_bodies import Write
from tests.support.core import ALICE, Core

QUOTA = 100


@pytest.fixture
def core(empty: Core) -> Core:
    empty.bucket(quota=QUOTA)
    return empty


# `there`: the files that are there, by size. `key` and `size`: what comes.
@pytest.mark.parametrize(
    ("there", "key", "size", "fits"),
    [
        ({}, "a", 100, True),
        ({}, "a", 101, False),
        ({"a": 60}, "b", 40, True),
        ({"a": 60}, "b", 41, False),
        ({"a": 100}, "b", 0, True),
        ({"a": 60}, "a", 100, True),
        ({"a": 60}, "a", 101, False),
        ({"a": 60, "b": 40}, "a", 60, True),
        ({"a": 60, "b": 40}, "a", 61, False),
        ({"a": 60, "b": 40}, "a", 1, True),
    ],
)
@pytest.mark.parametrize("known", ["size", "nothing", "not even the key"])
def test_quota_counts_what_is_there_and_an_overwrite_the_difference(
    core: Core, there: dict[str, int], key: str, size: int, fits: bool, known: str
) -> None:
    for name, each in there.items():
        core.put(name, bytes(each))

    def upload() -> None:
        core.put(
            None if known == "not even the key" else key,
            bytes(size),
            size=size if known == "size" else None,
            late={"key": key},
        )

    if fits:
        upload()
    else:
        with pytest.raises(QuotaExceeded, match=f"quota of {QUOTA} bytes") as refused:
            upload()
        assert refused.value.members == {"limit": QUOTA}
    after = there | ({key: size} if fits else {})
    assert core.totals() == Totals(len(after), sum(after.values()))
    core.check()


def test_upload_in_progress_reserves_its_size(core: Core) -> None:
    def upload_others(_: Write) -> None:
        with pytest.raises(QuotaExceeded):
            core.put("b", bytes(41))
        core.put("c", bytes(40))

    core.send("a", bytes(60), size=60, meanwhile=upload_others)
    assert core.totals() == Totals(2, 100)
    core.check()


def test_failed_upload_gives_its_reservation_back(core: Core) -> None:
    def reset(_: Write) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        core.send("a", size=100, meanwhile=reset)
    core.put("b", bytes(100))
    core.check()


def test_upload_of_unknown_size_reserves_when_its_bytes_are_there(core: Core) -> None:
    with pytest.raises(QuotaExceeded):
        core.send("a", bytes(60), meanwhile=lambda _: core.put("b", bytes(60)))
    assert core.totals() == Totals(1, 60)
    core.check()


def test_bytes_of_unknown_number_are_refused_as_soon_as_no_quota_could_hold_them(core: Core) -> None:
    def never(_: Write) -> None:
        pytest.fail("all bytes were taken")

    with pytest.raises(QuotaExceeded):
        core.send("a", bytes(QUOTA), b"x", meanwhile=never)
    core.check()


def test_overwrite_in_progress_reserves_only_the_difference(core: Core) -> None:
    core.put("a", bytes(80))
    core.send("a", bytes(80), size=80, overwrite=True, meanwhile=lambda _: core.put("b", bytes(20)))
    assert core.totals() == Totals(2, 100)
    core.check()


def test_overwrite_that_shrinks_is_taken_in_a_bucket_over_its_quota(core: Core) -> None:
    core.put("a", bytes(60))
    core.put("b", bytes(40))
    core.buckets.change(ALICE, "photos", {"quota": 50})
    core.put("a", bytes(30))
    assert core.totals() == Totals(2, 70)
    with pytest.raises(QuotaExceeded):
        core.put("a", bytes(31))
    core.check()


def test_credit_of_a_file_deleted_meanwhile_does_not_count(core: Core) -> None:
    core.put("a", bytes(60))

    def delete(_: Write) -> None:
        core.files.delete(ALICE, "photos", "a", conditions=UNCONDITIONAL)
        core.put("b", bytes(10))
        core.buckets.change(ALICE, "photos", {"quota": 95})

    with pytest.raises(QuotaExceeded):
        core.send("a", bytes(90), meanwhile=delete, size=90, overwrite=True)
    assert core.totals() == Totals(1, 10)
    core.check()


def test_sixteen_uploads_at_once_never_exceed_the_quota(core: Core) -> None:
    def upload(number: int) -> bool:
        try:
            core.put(str(number), bytes(30))
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(upload, range(16))) == 3
    assert core.totals() == Totals(3, 90)
    core.check()
