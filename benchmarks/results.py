"""What came of the measurements: samples, ratios, and whether bars and aims are met."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .figures import Spread
from .sections import Goal, Section


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. `value` is in the section's unit, `cpu` in its unit for processors.

    `client` is the share of a core that the load took, `p99_ms` the time that one request in a hundred exceeded.
    """

    value: float
    cpu: float | None = None
    client: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and the median that was reached of it."""

    goal: Goal
    reached: float

    @property
    def is_met(self) -> bool:
        return self.goal.is_met(self.reached)

    @property
    def is_far(self) -> bool:
        return self.goal.is_far(self.reached)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one row; `ratios` are to the reference, each to the measurement beside it."""

    way: str
    samples: Sequence[Sample]
    ratios: Sequence[float] = ()
    bar: Verdict | None = None
    aim: Verdict | None = None

    @property
    def values(self) -> Sequence[float]:
        return [sample.value for sample in self.samples]

    @property
    def spread(self) -> Spread:
        return Spread.of(self.values)

    @property
    def cpu(self) -> float | None:
        return _median([sample.cpu for sample in self.samples])

    @property
    def client(self) -> float | None:
        return _median([sample.client for sample in self.samples])

    @property
    def p99_ms(self) -> float | None:
        return _median([sample.p99_ms for sample in self.samples])

    @property
    def verdict(self) -> str:
        """Say what is met, in two words; nothing where there are no goals."""
        if self.bar is None:
            return ""
        if not self.bar.is_met:
            return "MISSES BAR"
        return "meets aim" if self.aim is not None and self.aim.is_met else "meets bar"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a section; its title and note are filled in."""

    section: Section
    title: str
    note: str
    results: Sequence[Result]

    @property
    def missed(self) -> Sequence[str]:
        return [self._named(each) for each in self.results if each.bar is not None and not each.bar.is_met]

    @property
    def collapsed(self) -> Sequence[str]:
        return [self._named(each) for each in self.results if each.bar is not None and each.bar.is_far]

    def _named(self, result: Result) -> str:
        return f"{self.title}, {result.way}"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
