"""The report as one HTML page that needs nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from ..figures import number
from ..results import Outcome, Result, Verdict
from ..sections import Section
from . import cells
from .plots import plot

_TEMPLATE = Path(__file__).with_name("page.html")


def written(facts: Mapping[str, str], outcomes: Sequence[Outcome]) -> str:
    """Return the page: what it was measured on, what is met, and every outcome with its plot."""
    return Template(_TEMPLATE.read_text()).substitute(
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items()),
        goals=_goals(outcomes),
        outcomes="\n".join(map(_section, outcomes)),
    )


def _goals(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (f"{outcome.title}, {result.way}", *_met(outcome.section, result, result.bar))
        for outcome in outcomes
        for result in outcome.results
        if result.bar is not None
    ]
    if not rows:
        return ""
    return f"<section><h2>Bars and aims</h2>{_table(('', 'reached', 'bar', 'aim', ''), rows)}</section>"


def _met(section: Section, result: Result, bar: Verdict) -> Iterator[str]:
    yield f"{number(bar.reached)} of {bar.goal.of}" if bar.goal.of else f"{number(bar.reached)} {section.unit}"
    yield cells.goal(section, bar.goal)
    yield cells.goal(section, result.aim.goal if result.aim else None)
    yield result.verdict


def _section(outcome: Outcome) -> str:
    head, rows = cells.filled(outcome)
    table = _table(("", *head), [(result.way, *row) for result, row in rows])
    return (
        f"<section><h2>{escape(outcome.title)}, {escape(outcome.section.unit)}</h2><p>{escape(outcome.note)}</p>"
        f"{plot(outcome)}{table}</section>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    above = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    below = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{above}</tr></thead><tbody>{below}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = text.lower().replace(" ", "-")
    if kind in ("meets-aim", "meets-bar", "misses-bar"):
        return f'<td><span class="chip {kind}">{escape(text)}</span></td>'
    return f"<td>{escape(text)}</td>"
