"""The measurement of large buckets, at a small size: no cost grows with the bucket."""

from pathlib import Path

import pytest

from benchmarks import large_bucket
from benchmarks.large_bucket import Store

LARGE, SMALL = 2_000, 100
# Twenty times the files: reading all of them is that much slower, and noise is not.
COLLAPSED = 5


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    folder = tmp_path_factory.mktemp("stores")
    large, small = Store(folder / "large", LARGE), Store(folder / "small", SMALL)
    large_bucket.rebuilds(large, small)
    return large, small


@pytest.mark.parametrize("measure", [large_bucket.requests, large_bucket.starts])
def test_cost_does_not_grow_with_the_bucket(stores, measure) -> None:
    rows = measure(*stores, 1)
    assert len(rows) == (10 if measure is large_bucket.requests else 2)
    for name, large, small, ratio, *_ in rows:
        assert float(ratio) < COLLAPSED, (name, large, small)


def test_bucket_that_lists_too_few_files_ends_the_benchmark(tmp_path: Path) -> None:
    stores = Store(tmp_path / "large", 110), Store(tmp_path / "small", 100)
    next((tmp_path / "large").glob("store/measured/*/*.json")).unlink()
    large_bucket.rebuilds(*stores)
    with pytest.raises(RuntimeError, match="A bucket of 110 files lists 109"):
        large_bucket.requests(*stores, 1)


@pytest.mark.parametrize(
    ("sides", "options", "verdict"),
    [
        (([9, 9, 9], [1, 6, 9]), {"bar": 1.5}, ""),
        (([8, 8, 8], [1, 4, 8]), {"bar": 1.5}, "MISSES BAR"),
        (([1, 2, 9], [9, 9, 9]), {"bar": 2, "of": "large"}, ""),
        (([1, 3, 9], [9, 9, 9]), {"bar": 2, "of": "large"}, "MISSES BAR"),
        (([9, 9, 9], [1, 1, 1]), {}, ""),
    ],
)
def test_median_must_not_be_over_the_bar(sides, options, verdict: str) -> None:
    assert large_bucket.row("a figure", sides, **options)[-1] == verdict


def test_bucket_too_small_for_pages_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        large_bucket.main(["--files", "99"])
    assert "a bucket needs 100 files or more" in capsys.readouterr().err
