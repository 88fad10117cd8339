"""Rounds of measurements and their outcome: ratios of neighbours, bars met or missed, tables of figures."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .bars import Goal, Row, Section


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. `value` has the section's unit, `cpu` its unit of processor time."""

    value: float
    cpu: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The samples of one row, and its ratios to the neighbouring samples of the reference."""

    row: Row
    samples: Sequence[Sample]
    ratios: Sequence[float]

    @property
    def values(self) -> Sequence[float]:
        return [sample.value for sample in self.samples]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a section; `title` has its sizes."""

    section: Section
    title: str
    results: Sequence[Result]

    def median_of(self, way: str) -> float:
        """Return the median of a way, 0 when it was not measured."""
        return next((statistics.median(each.values) for each in self.results if each.row.way == way), 0)

    def is_met(self, result: Result, goal: Goal | None) -> bool:
        """Whether a goal is met by the median, or the median ratio."""
        if goal is None or (goal.of and not self.median_of(goal.of)):
            return False
        return goal.is_met(statistics.median(self._rounds(result, goal)))

    def _rounds(self, result: Result, goal: Goal) -> Sequence[float]:
        """Return what a goal is compared with, as each round measured it."""
        if not goal.of:
            return result.values
        if goal.of == self.section.reference:
            return result.ratios
        return [value / self.median_of(goal.of) for value in result.values]

    def verdict(self, result: Result) -> str:
        if result.row.bar is None:
            return ""
        met = "meets aim" if self.is_met(result, result.row.aim) else "meets bar"
        return met if self.is_met(result, result.row.bar) else "MISSES BAR"

    def missed(self) -> Sequence[str]:
        """Name the rows that miss their bar."""
        return [self._named(each) for each in self.results if each.row.bar and not self.is_met(each, each.row.bar)]

    def collapsed(self) -> Sequence[str]:
        """Name the rows that even in their best round are far below their bar, which noise does not explain."""
        return [self._named(each) for each in self.results if each.row.bar and self._is_far(each, each.row.bar)]

    def _is_far(self, result: Result, bar: Goal) -> bool:
        return all(bar.is_far(reached) for reached in self._rounds(result, bar))

    def _named(self, result: Result) -> str:
        return f"{self.title}, {result.row.way}"


class Rounds:
    """The samples of one section, round by round: a disturbance of the machine meets all ways alike."""

    def __init__(self, section: Section, rows: Sequence[Row]) -> None:
        self.section = section
        self.rows = [*rows, *([Row(section.reference)] if section.reference else [])]
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._ratios: dict[str, list[float]] = defaultdict(list)
        self._count = 0

    def order(self) -> Sequence[str]:
        """Return the ways in turn, each next to the reference; every other round runs backwards."""
        reference = self.section.reference
        ways = [row.way for row in self.rows if row.way != reference]
        if reference:
            pairs = [ways[place : place + 2] for place in range(0, len(ways), 2)]
            ways = [reference, *(way for pair in pairs for way in (*pair, reference))]
        return ways[::-1] if self._count % 2 else ways

    def run(self, measure: Callable[[str], Sample]) -> None:
        """Measure every way once."""
        order, reference = self.order(), self.section.reference
        samples = [measure(way) for way in order]
        for place, (way, sample) in enumerate(zip(order, samples, strict=True)):
            self._samples[way].append(sample)
            if reference and way != reference:
                beside = place - 1 if order[place - 1] == reference else place + 1
                self._ratios[way].append(sample.value / samples[beside].value)
        self._count += 1

    def outcome(self, sizes: Mapping[str, int]) -> Outcome:
        results = [Result(row, self._samples[row.way], self._ratios[row.way]) for row in self.rows]
        return Outcome(self.section, self.section.title.format(**sizes), results)


def number(value: float) -> str:
    """Write a value with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """Write the median, the least and the most."""
    if not values:
        return ""
    median = number(statistics.median(values))
    return median if min(values) == max(values) else f"{median} ({number(min(values))} to {number(max(values))})"


def percentile(values: Sequence[float], part: float) -> float:
    """Return the least of `values` that `part` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows in columns below the first row, the head. Columns that are empty below it are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    lines = ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
