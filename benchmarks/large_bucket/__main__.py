"""What a large bucket costs, beside a small one: starts, pages, lookups, totals, writes and rebuilds.

    .venv/bin/python -m benchmarks.large_bucket

Makes both stores, measures them in turn and prints tables: medians, with the least and the most of all rounds.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..figures import Table
from ..processes import end_by_signals
from ..service import refuse_other_index
from . import measures
from .measures import Pair
from .stores import MeasuredStore

MEASURES: dict[str, Callable[[Pair], Sequence[Table]]] = {
    "starts": measures.starts,
    "in-process": measures.in_process,
    "http": measures.over_http,
    "rebuild": measures.rebuilds,
    "rebuild-beside": measures.rebuilds_beside,
}
OF_ROWS = ["in-process", "http"]  # what needs no files but those that it uploads itself
LEAST_FILES = 100  # for pages of ten files, none of which is the whole bucket

_SHOWN_EVERY_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    try:
        refuse_other_index()
        with folder(options.folder) as path:
            pair = make(
                path,
                files=options.files,
                small=options.small,
                rounds=options.rounds,
                rows_alone=options.rows_alone,
            )
            tables = list(measured(pair, options.only or (OF_ROWS if options.rows_alone else list(MEASURES))))
    except (ValueError, RuntimeError) as error:
        sys.exit(str(error))
    over = [figure.name for table in tables for figure in table.figures if not figure.is_within]
    print(f"Over what they may be: {'; '.join(over)}." if over else "Nothing is over what it may be.")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_bucket", description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=_count, default=1_000_000, help="in the large bucket (default: %(default)s)")
    parser.add_argument("--small", type=_count, default=1_000, help="files in the small one (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often starts and requests are measured")
    parser.add_argument(
        "--rows-alone",
        action="store_true",
        help="fill the index of the large store, and make no files: where the disk has no room for them",
    )
    parser.add_argument(
        "--folder", type=Path, help="where the stores are made, kept and found again; else they are removed at the end"
    )
    parser.add_argument("--only", action="append", choices=MEASURES, help="measure this alone; may be given again")
    return parser.parse_args(arguments)


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="large-bucket-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def make(path: Path, *, files: int, small: int, rounds: int, rows_alone: bool = False) -> Pair:
    """Make the two stores in `path`."""
    large = MeasuredStore(path / "large", files, rows_alone=rows_alone)
    pair = Pair(large, MeasuredStore(path / "small", small), rounds)
    for store in pair:
        store.make(Shown(store.count))
    return pair


def measured(pair: Pair, names: Sequence[str]) -> Iterator[Table]:
    """Measure, and print each table as soon as it is there."""
    for name in names:
        for table in MEASURES[name](pair):
            print(f"{table}\n", flush=True)
            yield table


class Shown:
    """Shows now and then how far the making of a store is."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._shown_at = time.monotonic()

    def __call__(self, made: int, rate: float) -> None:
        if time.monotonic() - self._shown_at >= _SHOWN_EVERY_SECONDS or made == self._count:
            self._shown_at = time.monotonic()
            print(f"{made:,} of {self._count:,} files made, {rate:,.0f} a second", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    count = int(text.replace(",", "").replace("_", ""))
    if count < LEAST_FILES:
        raise argparse.ArgumentTypeError(f"at least {LEAST_FILES}, not {text}")
    return count


if __name__ == "__main__":
    end_by_signals()
    main()
