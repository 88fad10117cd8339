"""From samples to verdicts: ratios of neighbours, bars met and missed, and the tables and plots of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.bars import LIMIT, PEER, SECTIONS, Goal, Row, Section
from benchmarks.results import Outcome, Rounds, Sample, percentile, spread

ROWS = (Row("ours", Goal(0.5, PEER), Goal(1.0, LIMIT)), Row("also ours"), Row(LIMIT))
SECTION = Section("up", "{large} MiB <up>", "MiB/s", ROWS, PEER, "CPU s")


def outcome_of(*rounds: Mapping[str, Sequence[float]], section: Section = SECTION) -> Outcome:
    """Run rounds in which each way measures these values, one after the other."""
    done = Rounds(section, section.rows)
    for values in rounds:
        samples = {way: [Sample(value, cpu=1.5) for value in each] for way, each in values.items()}
        done.run(lambda way, samples=samples: samples[way].pop(0))  # type: ignore[misc]
    return done.outcome({"large": 256})


def values(ours: float, limit: float = 20) -> Mapping[str, Sequence[float]]:
    return {"ours": [ours], "also ours": [1], LIMIT: [limit], PEER: [10, 10, 10]}


@pytest.mark.parametrize(("goal", "met", "close", "far"), [(Goal(0.5, PEER), 0.5, 0.26, 0.24), (Goal(50), 50, 99, 101)])
def test_share_is_a_least_and_a_figure_a_most(goal: Goal, met: float, close: float, far: float) -> None:
    assert [goal.is_met(each) for each in (met, close, far)] == [True, False, False]
    assert [goal.is_far(each) for each in (met, close, far)] == [False, False, True]


@pytest.mark.parametrize(
    ("ours", "verdict", "misses", "collapses"),
    [(20, "meets aim", 0, 0), (8, "meets bar", 0, 0), (4, "MISSES BAR", 1, 0), (1, "MISSES BAR", 1, 1)],
)
def test_outcome_names_the_rows_below_their_bar(ours: float, verdict: str, misses: int, collapses: int) -> None:
    outcome, name = outcome_of(values(ours)), ["256 MiB <up>, ours"]
    assert outcome.verdict(outcome.results[0]) == verdict
    assert (outcome.missed(), outcome.collapsed()) == (misses * name, collapses * name)


@pytest.mark.parametrize(("most", "misses", "collapses"), [(40, 0, 0), (90, 1, 0), (101, 1, 1)])
def test_figure_without_a_reference_is_compared_as_it_is(most: float, misses: int, collapses: int) -> None:
    section = Section("idle", "Memory", "MiB", (Row("ours", Goal(50)),))
    outcome = outcome_of({"ours": [most]}, {"ours": [most]}, section=section)
    assert (len(outcome.missed()), len(outcome.collapsed())) == (misses, collapses)


def test_one_good_round_is_no_collapse() -> None:
    outcome = outcome_of(values(1), values(1), values(4))
    assert (len(outcome.missed()), outcome.collapsed()) == (1, [])


def test_ratio_is_to_the_neighbour_and_rounds_alternate() -> None:
    rounds = Rounds(SECTION, SECTION.rows)
    assert rounds.order() == [PEER, "ours", "also ours", PEER, LIMIT, PEER]
    # "ours" follows the first measurement of the peer; in the backward round it precedes the last one.
    outcome = outcome_of({**values(8), PEER: [4, 1, 1]}, {**values(8), PEER: [1, 1, 2]})
    assert outcome.results[0].ratios == [2, 4]


def test_aim_of_a_way_that_was_not_measured_is_not_met() -> None:
    outcome = outcome_of({"ours": [20], PEER: [10, 10]}, section=replace(SECTION, rows=ROWS[:1]))
    assert outcome.verdict(outcome.results[0]) == "meets bar"


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_bar_is_no_stricter_than_the_aim(section: Section) -> None:
    for row in section.rows:
        assert row.bar is None or row.aim is None or row.bar.of != row.aim.of or row.bar.is_met(row.aim.value)


def test_table_has_ratio_goals_and_spread_of_every_way() -> None:
    head, _, ours, *others = report.table(outcome_of(*map(values, (4, 6, 8)))).splitlines()
    cells = ["ours", "0.60 (0.40 to 0.80)", "0.5", "1 of nginx alone", "meets bar", "6.00 (4.00 to 8.00)", "1.50"]
    assert re.split(" {2,}", ours) == cells
    assert re.split(" {2,}", head)[:2] == ["256 MiB <up>", "of rclone"]
    assert [line.split("  ")[0] for line in others] == ["also ours", LIMIT, PEER]


def test_plot_draws_medians_rounds_and_goals_to_scale() -> None:
    picture = ET.fromstring(report.plot(outcome_of(values(8, limit=40), values(12, limit=40))))
    widths = [float(each.attrib["width"]) for each in picture.iter("rect")]
    left = float(next(picture.iter("rect")).attrib["x"])
    assert widths[0] == pytest.approx(widths[2] / 4, abs=0.2)
    assert [float(each.attrib["cx"]) - left for each in picture.iter("circle")][:2] == pytest.approx(
        [widths[2] / 5, widths[2] * 0.3], abs=0.2
    )
    goals = {each.attrib["class"]: float(each.attrib["d"][1:].split()[0]) - left for each in picture.iter("path")}
    assert goals == pytest.approx({"bar": widths[2] / 8, "aim": widths[2]}, abs=0.2)


def test_page_escapes_its_texts_and_fetches_nothing() -> None:
    page = report.page("<two> & more", [outcome_of(values(8))])
    assert "&lt;two&gt; &amp; more" in page
    assert "<h2>256 MiB &lt;up&gt;</h2>" in page
    assert not re.search(r"(src|href|@import|url)\b", page)


@pytest.mark.parametrize(("part", "expected"), [(0, 1), (0.5, 50), (0.99, 99), (1, 100)])
def test_percentile_is_not_exceeded_by_that_part(part: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), part) == expected


def test_spread_of_one_value_is_the_value() -> None:
    assert (spread([]), spread([1234]), spread([1, 20, 3])) == ("", "1,234", "3.00 (1.00 to 20.0)")
