"""The report: text tables, and one HTML page with plots that needs no other file."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from .bars import LIMIT, PEERS, Goal
from .results import Outcome, Result, aligned, number, spread
from .servers import program

_WIDTH, _LEFT, _RIGHT, _ROW = 920, 190, 150, 34  # pixels, before the page scales the plot to its width
_VERSIONS = {"nginx": "-v", "rclone": "version", "weed": "version", "wrk": "-v"}


def machine(folder: Path) -> str:
    """Describe what a reader must know to make sense of the figures."""
    versions = {name: _said(program(name), option) for name, option in _VERSIONS.items()}
    shown = [f"{name} {found[0]}" for name, said in versions.items() if (found := re.search(r"\d+\.[\d.]+", said))]
    cpu = re.search("model name.*: (.*)", Path("/proc/cpuinfo").read_text())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    disk = _said("/bin/df", "--output=fstype", str(folder)).split()[-1]
    return (
        f"Python {platform.python_version()}; {'; '.join(shown)}\n"
        f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, {gib:.0f} GiB of memory, {disk}, "
        f"Linux {platform.release()}; load {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n"
    )


def _said(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stderr + said.stdout


def table(outcome: Outcome) -> str:
    section = outcome.section
    ratio = f"of {section.reference}" if section.reference else ""
    head = (outcome.title, ratio, "bar", "aim", "", f"median, {section.unit}", section.cpu_unit, "p99, ms")
    return aligned([head, *(_cells(outcome, result) for result in outcome.results)])


def _cells(outcome: Outcome, result: Result) -> Sequence[str]:
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


def page(facts: str, outcomes: Sequence[Outcome]) -> str:
    each = "\n".join(f"<h2>{escape(o.title)}</h2>\n{plot(o)}\n<pre>{escape(table(o))}</pre>" for o in outcomes)
    template = Template(Path(__file__).with_name("page.html").read_text())
    return template.substitute(facts=escape(facts), outcomes=each)


def plot(outcome: Outcome) -> str:
    """Draw a bar for each median, a dot for each round, and lines where the bar and the aim lie."""
    lines = [_lines(outcome, result) for result in outcome.results]
    figures = [value for result in outcome.results for value in result.values]
    most = max(0.001, *figures, *(figure for each in lines for _, figure in each))
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    drawn = []
    for place, (result, goals) in enumerate(zip(outcome.results, lines, strict=True)):
        y, median = _ROW * place + _ROW // 2, statistics.median(result.values)
        kind = "peer" if result.row.way in (LIMIT, *PEERS) else "service"
        ratio = f", {number(statistics.median(result.ratios))} x" if result.ratios else ""
        drawn += [
            f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(result.row.way)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{y - 8}" width="{scale * median:.1f}" height="16"/>',
            *(f'<circle class="{kind}" cx="{_LEFT + scale * each:.1f}" cy="{y}" r="3.5"/>' for each in result.values),
            *(f'<path class="{name}" d="M{_LEFT + scale * figure:.1f} {y - 14}v28"/>' for name, figure in goals),
            f'<text x="{_WIDTH - _RIGHT + 14}" y="{y + 4}">{number(median)} {outcome.section.unit}{ratio}</text>',
        ]
    return f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(lines)}">{"".join(drawn)}</svg>'


def _lines(outcome: Outcome, result: Result) -> Sequence[tuple[str, float]]:
    """Name the figures at which the goals are met: a share is taken of the other way's median, if it was measured."""
    goals = [("bar", result.row.bar), ("aim", result.row.aim)]
    lines = [(name, goal.value * (outcome.median_of(goal.of) if goal.of else 1)) for name, goal in goals if goal]
    return [(name, figure) for name, figure in lines if figure]
