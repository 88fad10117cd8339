"""Plots as SVG: a bar for the median of each way, a dot for each round, and where the bar and the aim lie."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from ..figures import number
from ..results import Outcome, Result
from ..sections import LIMIT, PEER, Goal

# Pixels, before the page scales the plot to its width.
_WIDTH, _LEFT, _RIGHT = 920, 190, 150
_ROW, _BAR, _AXIS = 34, 16, 30
_TICKS = 5


def plot(outcome: Outcome) -> str:
    """Draw an outcome; the page's style gives the colours."""
    scale = _Scale.of(outcome)
    height = _ROW * len(outcome.results) + _AXIS
    picture = ET.Element(
        "svg",
        {"viewBox": f"0 0 {_WIDTH} {height}", "role": "img", "aria-label": f"{outcome.title}, {outcome.section.unit}"},
    )
    for tick in scale.ticks():
        _line(picture, "grid", scale.x(tick), 0, height - _AXIS)
        _text(picture, "tick", scale.x(tick), height - _AXIS + 18, _short(tick), "middle")
    for place, result in enumerate(outcome.results):
        _row(picture, outcome, result, scale, _ROW * place)
    return ET.tostring(picture, encoding="unicode")


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turns figures into places; `end` is the figure at the right."""

    end: float
    step: float

    @classmethod
    def of(cls, outcome: Outcome) -> "_Scale":
        most = max(0.001, *(max(result.values) for result in outcome.results), *_goal_figures(outcome))
        step = _round_up(most / _TICKS)
        return cls(math.ceil(most / step) * step, step)

    def x(self, figure: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * figure / self.end

    def ticks(self) -> Sequence[float]:
        return [place * self.step for place in range(round(self.end / self.step) + 1)]


def _row(picture: ET.Element, outcome: Outcome, result: Result, scale: _Scale, top: float) -> None:
    ours = {row.way for row in outcome.section.rows} - {LIMIT, PEER}
    middle, kind = top + _ROW / 2, "service" if result.way in ours else "peer"
    _text(picture, "way", _LEFT - 12, middle + 4, result.way, "end")
    place = {"x": _LEFT, "y": middle - _BAR / 2, "width": scale.x(result.spread.median) - _LEFT, "height": _BAR}
    _add(picture, "rect", f"median {kind}", {**place, "rx": 3})
    for value in result.values:
        _add(picture, "circle", f"round {kind}", {"cx": scale.x(value), "cy": middle, "r": 3.5})
    for name, goal in _goals(result):
        figure = _figure(outcome, goal)
        if figure is not None:
            _line(picture, name, scale.x(figure), middle - _ROW / 2 + 3, middle + _ROW / 2 - 3)
    _text(picture, "value", _WIDTH - _RIGHT + 14, middle + 4, number(result.spread.median), "start")
    if result.ratios:
        _text(picture, "ratio", _WIDTH, middle + 4, f"{number(statistics.median(result.ratios))} x", "end")


def _goals(result: Result) -> Iterator[tuple[str, Goal]]:
    if result.bar is not None:
        yield "bar", result.bar.goal
    if result.aim is not None:
        yield "aim", result.aim.goal


def _figure(outcome: Outcome, goal: Goal) -> float | None:
    """Return the figure at which a goal is met; for a share, the share of the other's median."""
    if not goal.of:
        return goal.value
    others = [each for each in outcome.results if each.way == goal.of]
    return goal.value * statistics.median(others[0].values) if others else None


def _goal_figures(outcome: Outcome) -> Iterator[float]:
    for result in outcome.results:
        for _, goal in _goals(result):
            yield _figure(outcome, goal) or 0


def _round_up(step: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not less."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:g}"


def _line(picture: ET.Element, name: str, x: float, top: float, bottom: float) -> None:
    _add(picture, "line", name, {"x1": x, "x2": x, "y1": top, "y2": bottom})


def _text(picture: ET.Element, name: str, x: float, y: float, text: str, anchor: str) -> None:
    _add(picture, "text", name, {"x": x, "y": y, "text-anchor": anchor}).text = text


def _add(picture: ET.Element, kind: str, name: str, attributes: Mapping[str, float | str]) -> ET.Element:
    written = {key: value if isinstance(value, str) else f"{value:g}" for key, value in attributes.items()}
    return ET.SubElement(picture, kind, {"class": name, **written})
