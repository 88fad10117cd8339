"""How figures and goals are written, in the text and on the page alike."""

from ..figures import Spread, number
from ..results import Outcome, Result
from ..sections import Goal, Section

Cells = tuple[str, ...]


def head(section: Section) -> Cells:
    """Return what stands above each column, without that of the ways."""
    ratio = f"of {section.reference}" if section.reference else ""
    return ratio, "bar", "aim", "", f"median, {section.unit}", section.cpu_unit, "p99, ms", "client"


def row(section: Section, result: Result) -> Cells:
    """Return the cells of one way, as `head` names them; what was not measured is empty."""
    return (
        str(Spread.of(result.ratios)) if result.ratios else "",
        goal(section, result.bar.goal if result.bar else None),
        goal(section, result.aim.goal if result.aim else None),
        result.verdict,
        str(result.spread),
        _known(result.cpu),
        _known(result.p99_ms),
        "" if result.client is None else f"{100 * result.client:.0f} %",
    )


def goal(section: Section, wanted: Goal | None) -> str:
    if wanted is None:
        return ""
    if not wanted.of:
        return f"{wanted.value:g} {section.unit}"
    return f"{wanted.value:g}" if wanted.of == section.reference else f"{wanted.value:g} of {wanted.of}"


def filled(outcome: Outcome) -> tuple[Cells, list[tuple[Result, Cells]]]:
    """Return the head and the rows of an outcome, without columns in which nothing stands."""
    section = outcome.section
    rows = [(result, row(section, result)) for result in outcome.results]
    kept = [column for column in range(len(head(section))) if any(cells[column] for _, cells in rows)]
    return (
        tuple(head(section)[column] for column in kept),
        [(result, tuple(cells[column] for column in kept)) for result, cells in rows],
    )


def _known(value: float | None) -> str:
    return "" if value is None else number(value)
