"""The report: text tables, and one HTML page with plots that needs no other file."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from .bars import LIMIT, PEERS, Goal
from .results import Outcome, Result, aligned, filled, number, spread
from .servers import program

_WIDTH, _LEFT, _RIGHT, _ROW = 920, 190, 150, 34  # pixels, before the page scales the plot to its width


def machine(folder: Path) -> Mapping[str, str]:
    """Return what a reader must know to make sense of the figures."""
    cpus = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    disk = _said("/bin/df", "--output=fstype", str(folder)).split()[-1]
    versions = [_said(program("nginx"), "-v"), _said(program("rclone"), "version"), _said(program("weed"), "version")]
    shown = [re.search(r"nginx/\S+|rclone \S+|\d+GB \S+", version) for version in versions]
    return {
        "programs": "; ".join(
            [f"Python {platform.python_version()}", *(found[0].replace("8000GB", "weed") for found in shown if found)]
        ),
        "machine": f"{os.cpu_count()} x {cpus[0] if cpus else platform.machine()}, {gib:.0f} GiB of memory",
        "system": f"Linux {platform.release()}, {disk}",
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5 and 15 minutes)",
    }


def _said(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stderr + said.stdout


def text(outcome: Outcome) -> str:
    return f"{aligned(_table(outcome, outcome.title))}\n{outcome.note}"


def page(facts: Mapping[str, str], outcomes: Sequence[Outcome]) -> str:
    return Template(Path(__file__).with_name("page.html").read_text()).substitute(
        facts=_html_table([*facts.items()]), outcomes="\n".join(map(_section, outcomes))
    )


def _table(outcome: Outcome, title: str) -> Sequence[Sequence[str]]:
    """Return the rows of an outcome below their head, without columns that have no cells."""
    section = outcome.section
    ratio = f"of {section.reference}" if section.reference else ""
    head = (title, ratio, "bar", "aim", "", f"median, {section.unit}", section.cpu, "p99, ms")
    return filled([head, *(_row(outcome, result) for result in outcome.results)])


def _row(outcome: Outcome, result: Result) -> Sequence[str]:
    cpu = [sample.cpu for sample in result.samples if sample.cpu is not None]
    p99 = [sample.p99_ms for sample in result.samples if sample.p99_ms is not None]
    goals = [_goal(outcome, goal) for goal in (result.row.bar, result.row.aim)]
    medians = [number(statistics.median(values)) if values else "" for values in (cpu, p99)]
    return result.row.way, spread(result.ratios), *goals, outcome.verdict(result), spread(result.values), *medians


def _goal(outcome: Outcome, goal: Goal | None) -> str:
    if goal is None:
        return ""
    share = "" if goal.of == outcome.section.reference else f" of {goal.of}"
    return f"{goal.value:g}{share if goal.of else f' {outcome.section.unit}'}"


def _section(outcome: Outcome) -> str:
    title = f"{outcome.title}, {outcome.section.unit}"
    table = _html_table(_table(outcome, ""))
    return f"<h2>{escape(title)}</h2>\n<p>{escape(outcome.note)}</p>\n{plot(outcome)}\n{table}"


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<div><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table></div>"


def plot(outcome: Outcome) -> str:
    """Draw a bar for each median, a dot for each round, and lines where the bar and the aim lie."""
    lines = [[*_lines(outcome, result)] for result in outcome.results]
    figures = [value for result in outcome.results for value in result.values]
    most = max(0.001, *figures, *(figure for each in lines for _, figure in each))
    drawn = []

    def width(figure: float) -> float:
        return round((_WIDTH - _LEFT - _RIGHT) * figure / most, 1)

    for place, (result, goals) in enumerate(zip(outcome.results, lines, strict=True)):
        y = _ROW * place + _ROW // 2
        kind = "peer" if result.row.way in (LIMIT, *PEERS) else "service"
        size = f'width="{width(result.median)}" height="16"'
        ratio = f", {number(statistics.median(result.ratios))} x" if result.ratios else ""
        drawn += [
            f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(result.row.way)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{y - 8}" {size}/>',
            *(f'<circle class="{kind}" cx="{_LEFT + width(each)}" cy="{y}" r="3.5"/>' for each in result.values),
            *(f'<path class="{name}" d="M{_LEFT + width(goal)} {y - 14}v28"/>' for name, goal in goals),
            f'<text x="{_WIDTH - _RIGHT + 14}" y="{y + 4}">{number(result.median)}{ratio}</text>',
        ]
    return f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(lines)}" role="img">{"".join(drawn)}</svg>'


def _lines(outcome: Outcome, result: Result) -> Sequence[tuple[str, float]]:
    """Name the figures at which the goals are met: a share is taken of the other way's median, if it was measured."""
    goals = [("bar", result.row.bar), ("aim", result.row.aim)]
    lines = [(name, goal.value * (outcome.median_of(goal.of) if goal.of else 1)) for name, goal in goals if goal]
    return [(name, figure) for name, figure in lines if figure]
