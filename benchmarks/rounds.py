"""Round after round, so that what disturbs the machine disturbs everybody; ratios are of neighbours."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from .results import Outcome, Result, Sample, Verdict
from .sections import Goal, Row, Section

# Measures a way of the line-up once.
Measure = Callable[[str], Sample]


class Rounds:
    """The samples of one section, as they come."""

    def __init__(self, section: Section, rows: Sequence[Row]) -> None:
        self.section = section
        self.rows = rows
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._ratios: dict[str, list[float]] = defaultdict(list)
        self._by_round: list[Mapping[str, float]] = []

    def turns(self) -> Sequence[str]:
        """Return whose turn it is, one after the other: everybody stands right beside the reference."""
        ways, reference = [row.way for row in self.rows], self.section.reference
        if not reference:
            return ways
        order = [reference]
        for place in range(0, len(ways), 2):
            order += [*ways[place : place + 2], reference]
        return order

    def run(self, measure: Measure) -> None:
        """Measure everybody once; every other round goes backwards."""
        order = list(self.turns())
        if len(self._by_round) % 2:
            order.reverse()
        samples = [measure(way) for way in order]
        values: dict[str, list[float]] = defaultdict(list)
        for way, sample in zip(order, samples, strict=True):
            self._samples[way].append(sample)
            values[way].append(sample.value)
        for way, ratio in self._neighbours(order, samples):
            self._ratios[way].append(ratio)
        self._by_round.append({way: statistics.median(measured) for way, measured in values.items()})

    def outcome(self, sizes: Mapping[str, int]) -> Outcome:
        rows = [*self.rows, *([Row(self.section.reference)] if self.section.reference else [])]
        results = [
            Result(
                row.way,
                self._samples[row.way],
                self._ratios[row.way],
                self._verdict(row.way, row.bar),
                self._verdict(row.way, row.aim),
            )
            for row in rows
        ]
        return Outcome(self.section, self.section.title.format(**sizes), self.section.note.format(**sizes), results)

    def _neighbours(self, order: Sequence[str], samples: Sequence[Sample]) -> Iterator[tuple[str, float]]:
        reference = self.section.reference
        for place, way in enumerate(order):
            if reference and way != reference:
                beside = place - 1 if order[place - 1] == reference else place + 1
                yield way, samples[place].value / samples[beside].value

    def _verdict(self, way: str, goal: Goal | None) -> Verdict | None:
        if goal is None:
            return None
        if not goal.of:
            return Verdict(goal, statistics.median(sample.value for sample in self._samples[way]))
        if goal.of == self.section.reference:
            return Verdict(goal, statistics.median(self._ratios[way]))
        shares = [values[way] / values[goal.of] for values in self._by_round if goal.of in values]
        return Verdict(goal, statistics.median(shares)) if shares else None
