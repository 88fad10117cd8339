"""Rounds of measurements and their outcome: ratios between neighbours, bars met or missed, tables of figures."""

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

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a section; `title` and `note` have its sizes."""

    section: Section
    title: str
    note: str
    results: Sequence[Result]

    def reached(self, result: Result, goal: Goal) -> float | None:
        """Return the figure that `goal` is about, a median or a median ratio; None when the other was not measured."""
        if not goal.of:
            return result.median
        if goal.of == self.section.reference:
            return statistics.median(result.ratios)
        other = self.median_of(goal.of)
        return result.median / other if other else None

    def median_of(self, way: str) -> float:
        """Return the median of a way, 0 when it was not measured."""
        return next((result.median for result in self.results if result.row.way == way), 0)

    def verdict(self, result: Result) -> str:
        if result.row.bar is None:
            return ""
        if not self._is_met(result, result.row.bar):
            return "MISSES BAR"
        return "meets aim" if self._is_met(result, result.row.aim) else "meets bar"

    def _is_met(self, result: Result, goal: Goal | None) -> bool:
        reached = self.reached(result, goal) if goal else None
        return goal is not None and reached is not None and goal.is_met(reached)

    @property
    def missed(self) -> Sequence[str]:
        return [self._name(result) for result in self.results if self.verdict(result) == "MISSES BAR"]

    @property
    def collapsed(self) -> Sequence[str]:
        """Name the rows that miss their bar by far."""
        barred = [(result, result.row.bar) for result in self.results if result.row.bar]
        return [self._name(result) for result, bar in barred if bar.is_far(self.reached(result, bar) or 0)]

    def _name(self, result: Result) -> str:
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
        return Outcome(self.section, self.section.title.format(**sizes), self.section.note.format(**sizes), results)


def number(value: float) -> str:
    """Write a value with about three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """Write the median, the least and the most."""
    if not values:
        return ""
    median = number(statistics.median(values))
    return median if min(values) == max(values) else f"{median} ({number(min(values))} to {number(max(values))})"


def percentile(values: Sequence[float], part: float) -> float:
    """Return the least of `values` that `part` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def filled(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Leave out the columns that are empty below the head, the first row."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return [*zip(*columns, strict=True)]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows in columns; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
