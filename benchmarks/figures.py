"""Figures, with what they may be at most, and tables of them as text."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.least == self.most:
            return number(self.median)
        return f"{number(self.median)} ({number(self.least)} to {number(self.most)})"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure may be at most: the first value itself, or its ratio to the second."""

    most: float
    of_ratio: bool

    def __str__(self) -> str:
        return f"ratio {self.most:g}" if self.of_ratio else f"{self.most:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured on two sides, round by round; the ratio is that of each round."""

    name: str
    first: Spread
    second: Spread
    ratio: Spread
    limit: Limit | None = None

    @classmethod
    def of(cls, name: str, first: Sequence[float], second: Sequence[float], limit: Limit | None = None) -> Self:
        ratios = [one / other for one, other in zip(first, second, strict=True)]
        return cls(name, Spread.of(first), Spread.of(second), Spread.of(ratios), limit)

    @property
    def is_within(self) -> bool:
        if self.limit is None:
            return True
        return (self.ratio if self.limit.of_ratio else self.first).median <= self.limit.most

    def cells(self) -> tuple[str, ...]:
        limit = "" if self.limit is None else str(self.limit)
        return self.name, str(self.first), str(self.second), str(self.ratio), limit, "" if self.is_within else "OVER"


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one kind; `sides` are the names of what is compared."""

    title: str
    sides: tuple[str, str]
    figures: Sequence[Figure]

    def __str__(self) -> str:
        head = (self.title, *self.sides, "ratio", "at most", "")
        return aligned(head, [figure.cells() for figure in self.figures])


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells below a head, in columns."""
    everything = [head, *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def number(value: float) -> str:
    """Write `value` with about three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], part: float) -> float:
    """Return the least of `values` that `part` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
