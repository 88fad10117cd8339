import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.api.http.ranges import MAX_RANGES, ByteRange, parse_range
from storage_app.errors import RangeNotSatisfiable

SIZE = 100
THOUSANDS_OF_DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=10-19", [(10, 20)]),
        ("bytes=10-", [(10, 100)]),
        ("bytes=99-", [(99, 100)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-100", [(0, 100)]),
        # Clamped.
        ("bytes=-101", [(0, 100)]),
        ("bytes=90-100", [(90, 100)]),
        ("bytes=0-18446744073709551616", [(0, 100)]),
        (f"bytes=5-{THOUSANDS_OF_DIGITS}", [(5, 100)]),
        (f"bytes=-{THOUSANDS_OF_DIGITS}", [(0, 100)]),
        ("bytes=" + "0" * 5000 + "7-8", [(7, 9)]),
        # Spelled unusually.
        ("BYTES=1-2", [(1, 3)]),
        (" bytes=1-2\t", [(1, 3)]),
        ("bytes= 1-2 ,\t5-6 ", [(1, 3), (5, 7)]),
        ("bytes=,1-2,, ,5-6,", [(1, 3), (5, 7)]),
        # Several, in the order of the request.
        ("bytes=0-0,-1", [(0, 1), (99, 100)]),
        ("bytes=50-59,0-9", [(50, 60), (0, 10)]),
        ("bytes=0-9,10-19", [(0, 10), (10, 20)]),
        # What lies outside is left out.
        ("bytes=100-,5-6", [(5, 7)]),
        ("bytes=-0,5-6", [(5, 7)]),
        (f"bytes={THOUSANDS_OF_DIGITS}-,5-6", [(5, 7)]),
        # What overlaps is sent once.
        ("bytes=0-9,5-14", [(0, 15)]),
        ("bytes=5-14,0-9", [(0, 15)]),
        ("bytes=0-99,20-29,-1", [(0, 100)]),
        ("bytes=7-7,7-7", [(7, 8)]),
        ("bytes=50-59,0-9,55-64,20-29", [(50, 65), (0, 10), (20, 30)]),
        ("bytes=80-89,10-19,0-14,15-29", [(80, 90), (0, 30)]),
        ("bytes=" + ",".join(f"{3 * i}-{3 * i}" for i in range(MAX_RANGES)), [(3 * i, 3 * i + 1) for i in range(32)]),
    ],
)
def test_ranges_to_send(header: str, expected: list[tuple[int, int]]) -> None:
    assert parse_range(header, SIZE) == tuple(ByteRange(start, stop) for start, stop in expected)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=2-1",
        "bytes=0-1,2-1",
        "bytes=0-1,x",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=١-٢",
        "bytes=--1",
        "bytes=1 -2",
        "bytes= -1 - 2",
        "bytes =0-1",
        "bytes 0-1",
        "bytes: 0-1",
        "bytes=0-1;5-6",
        "bytes=0-1, bytes=3-4",
        "bytes=0-1\n",
        "items=0-1",
        "=0-1",
        "0-1",
        f"bytes={THOUSANDS_OF_DIGITS}-1",
        "bytes=" + "0-0," * (MAX_RANGES + 1),
        "bytes=" + "0-," * 100_000,
    ],
)
def test_what_is_not_understood_or_egregious_is_ignored(header: str | None) -> None:
    assert parse_range(header, SIZE) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", SIZE),
        ("bytes=100-200", SIZE),
        ("bytes=-0", SIZE),
        ("bytes=-0,100-", SIZE),
        (f"bytes={THOUSANDS_OF_DIGITS}-", SIZE),
        (f"bytes={THOUSANDS_OF_DIGITS}-{THOUSANDS_OF_DIGITS}", SIZE),
    ],
)
def test_ranges_outside_the_file_are_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as refusal:
        parse_range(header, size)
    assert refusal.value.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=0-1048575", "bytes=-5", "bytes=-0", "bytes=7-,9-"])
def test_any_range_of_an_empty_file_is_the_whole_of_it(header: str) -> None:
    assert parse_range(header, 0) is None


@settings(deadline=None)
@given(st.text(alphabet="0123456789-, b", max_size=60), st.integers(0, 120))
def test_ranges_lie_in_the_file_and_apart(range_set: str, size: int) -> None:
    try:
        ranges = parse_range(f"bytes={range_set}", size) or ()
    except RangeNotSatisfiable:
        return
    assert all(0 <= span.start < span.stop <= size for span in ranges)
    sent = [position for span in ranges for position in range(span.start, span.stop)]
    assert len(sent) == len(set(sent))


def test_content_range_includes_the_last_byte() -> None:
    assert ByteRange(0, 1).content_range(10) == "bytes 0-0/10"
    assert ByteRange(0, 1).length == 1
