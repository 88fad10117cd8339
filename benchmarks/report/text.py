"""The report as text."""

from ..figures import aligned
from ..results import Outcome
from .cells import filled


def table(outcome: Outcome) -> str:
    head, rows = filled(outcome)
    lines = aligned((outcome.title, *head), [(result.way, *cells) for result, cells in rows])
    return f"{lines}\n{outcome.note}"
