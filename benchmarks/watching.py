"""The price of watching the service: the processor time of small requests with metrics and log, and without.

    .venv/bin/python -m benchmarks.watching

Three services are measured in turn, round by round, over a store that is not synced.
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .__main__ import show, started
from .measures import FULL, MEASURES, Material
from .results import aligned, number
from .servers import end_by_signals
from .targets import Raw, service

METRICS_PERCENT = 5  # the bar

_UNSYNCED = {"DURABILITY": "none"}
# By name: the settings, and the application.
_WAYS = {
    "neither": ({"LOG_LEVEL": "WARNING"}, "benchmarks.unwatched:app"),
    "metrics": ({"LOG_LEVEL": "WARNING"}, "wsgi:app"),
    "metrics and log": ({}, "wsgi:app"),
}
_SECTIONS = {"a download of 10 KiB": "small-down-16", "an upload of 10 KiB": "small-up"}

Costs = Mapping[str, Mapping[str, Sequence[float]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table. Exits with 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one (default: TMPDIR or /tmp)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            costs = measure(Path(folder), options.rounds, options.seconds)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    print(aligned([("milliseconds of processor time", *_WAYS), *rows(costs)]))
    over = [name for name, ways in costs.items() if surplus(ways, "metrics") > METRICS_PERCENT]
    sys.exit(f"Metrics cost more than {METRICS_PERCENT} % of {' and '.join(over)}." if over else 0)


def measure(folder: Path, rounds: int, seconds: int) -> Costs:
    """Return the milliseconds of each request by section and way, one for each round."""
    scale = replace(FULL, seconds=seconds, present=100, large=1, huge=1)
    material = Material.make(folder, scale)
    targets = []
    for name, (environment, application) in _WAYS.items():
        server = service(folder / name, _UNSYNCED | environment, application)
        targets.append(Raw(name, server.port, (server,)))
    costs: dict[str, dict[str, list[float]]] = {section: defaultdict(list) for section in _SECTIONS}
    with started(targets):
        for count in range(rounds):
            show(f"round {count + 1}")
            for section, measured in _SECTIONS.items():
                for target in targets[:: -1 if count % 2 else 1]:
                    costs[section][target.name].append(MEASURES[measured](target, material).cpu or 0)
    return costs


def rows(costs: Costs) -> Sequence[Sequence[str]]:
    """Return a row for each section: what it costs without anything, and by how much more with it."""
    others = [way for way in _WAYS if way != "neither"]
    return [
        (section, number(statistics.median(ways["neither"])), *(f"{surplus(ways, way):+.1f} %" for way in others))
        for section, ways in costs.items()
    ]


def surplus(ways: Mapping[str, Sequence[float]], way: str) -> float:
    """Return by how many percent a way costs more than neither, as the median of the rounds."""
    ratios = (cost / least for cost, least in zip(ways[way], ways["neither"], strict=True))
    return 100 * (statistics.median(ratios) - 1)


if __name__ == "__main__":
    end_by_signals()
    main()
