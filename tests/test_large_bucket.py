"""The benchmark, at a small size: it gives every figure, and none says that a cost grows with the bucket."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.figures import Figure, Limit, Table, percentile
from benchmarks.large_bucket import __main__ as large_bucket
from benchmarks.large_bucket.measures import Pair
from benchmarks.large_bucket.questions import Question
from benchmarks.large_bucket.rebuild import rebuild

LARGE, SMALL = 2_000, 100
# Twenty times the files: what reads all of them is that much slower, and noise is not.
COLLAPSED = 5
SECONDS = Limit(2, of_ratio=False)
RATIO = Limit(1.5, of_ratio=True)

STARTS = ["after a clean stop", "after kill -9 of everything"]
QUESTIONS = [
    *(
        f"a page {order}, {place}"
        for order in ("by key", "by -created_at")
        for place in ("at the beginning", "in the middle", "at the end")
    ),
    "a lookup",
    "the totals",
    "an upload of 1 KiB",
    "a delete",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return large_bucket.make(tmp_path_factory.mktemp("stores"), files=LARGE, small=SMALL, rounds=1)


@pytest.fixture(scope="module")
def tables(pair: Pair) -> Sequence[Table]:
    return list(large_bucket.measured(pair, ["in-process", "starts"]))


def test_benchmark_gives_every_figure(tables: Sequence[Table]) -> None:
    assert [[figure.name for figure in table.figures] for table in tables] == [QUESTIONS, STARTS]


def test_benchmark_prints_every_figure(tables: Sequence[Table]) -> None:
    for table in tables:
        _, _, *lines = str(table).splitlines()
        assert [line.partition("  ")[0] for line in lines] == [figure.name for figure in table.figures]


@pytest.mark.parametrize("name", [*QUESTIONS, *STARTS])
def test_cost_does_not_grow_with_the_bucket(tables: Sequence[Table], name: str) -> None:
    [figure] = [figure for table in tables for figure in table.figures if figure.name == name]
    assert figure.second.least > 0
    assert figure.ratio.median < COLLAPSED, figure


def test_rebuild_is_timed_and_its_memory_is_seen(pair: Pair) -> None:
    measured = rebuild(pair.small)
    assert measured.seconds > 0
    assert measured.peak_mib > 10  # what Python alone takes


def test_store_that_is_there_is_taken_as_it_is(pair: Pair) -> None:
    made: list[int] = []
    pair.small.make(lambda files, _: made.append(files))
    assert made == []


def test_store_with_other_files_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="holds 100 files, not 200: name another folder"):
        large_bucket.make(pair.small.path.parent, files=LARGE, small=200, rounds=1)


def test_rows_alone_are_asked_for_as_files_are(tmp_path: Path) -> None:
    pair = large_bucket.make(tmp_path, files=LARGE, small=SMALL, rounds=1, rows_alone=True)
    assert not list(pair.large.path.glob("measured/*/*.json"))
    [table] = large_bucket.measured(pair, ["in-process"])
    assert [figure.name for figure in table.figures] == QUESTIONS


def test_wrong_answer_ends_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="the totals: the answer was 2, not 3"):
        Question("the totals", lambda: 2, 3).timed()


def test_bucket_too_small_for_pages_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        large_bucket.main(["--files", "99", "--folder", str(tmp_path)])
    assert "at least 100, not 99" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "first", "second", "within"),
    [
        (None, [9, 9, 9], [1, 1, 1], True),
        (SECONDS, [1, 2, 9], [9, 9, 9], True),
        (SECONDS, [1, 3, 9], [9, 9, 9], False),
        (RATIO, [9, 9, 9], [1, 6, 9], True),
        (RATIO, [8, 8, 8], [1, 4, 8], False),
    ],
)
def test_median_is_what_may_not_be_over_its_limit(
    limit: Limit | None, first: list[float], second: list[float], within: bool
) -> None:
    figure = Figure.of("a figure", first, second, limit)
    assert figure.is_within is within
    assert str(Table("Figures", ("large", "small"), [figure])).endswith("OVER") is not within


@pytest.mark.parametrize(("part", "expected"), [(0, 1), (0.5, 50), (0.99, 99), (1, 100)])
def test_percentile_is_not_exceeded_by_that_part(part: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), part) == expected
