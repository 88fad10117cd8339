"""The harness of the benchmarks: who is measured against whom, what is a miss, and what the reports say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as command
from benchmarks import measures, programs
from benchmarks.__main__ import confirmed, summary
from benchmarks.measures import FULL, QUICK, Material, Scale
from benchmarks.peers.given import given_peer
from benchmarks.peers.nginx import replaced
from benchmarks.report import page, text
from benchmarks.report.plots import plot
from benchmarks.results import Outcome, Result, Sample
from benchmarks.rounds import Rounds
from benchmarks.sections import IN_MEMORY, LIMIT, PEER, SIDE_BY_SIDE, Goal, Row, Section

HALF_OF_PEER, ALL_OF_LIMIT, TEN = Goal(0.5, PEER), Goal(1.0, LIMIT), Goal(10)
SECTION = Section(
    name="some",
    title="{large} MiB <up>",
    note="{huge} & more.",
    unit="MiB/s",
    cpu_unit="CPU s/GiB",
    reference=PEER,
    rows=(Row("ours", HALF_OF_PEER, ALL_OF_LIMIT), Row("other way"), Row(LIMIT)),
)
SIZES = {"large": 256, "huge": 1024}


def rounds_of(section: Section, rounds: Sequence[Mapping[str, Sequence[float]]]) -> Rounds:
    """Run rounds in which each way takes its figures, one for each of its turns."""
    made = Rounds(section, section.rows)
    for figures in rounds:
        left = {way: list(values) for way, values in figures.items()}
        made.run(lambda way, left=left: Sample(left[way].pop(0), cpu=1.5, client=0.25))  # type: ignore[misc]
    return made


def outcome_of(*rounds: Mapping[str, Sequence[float]]) -> Outcome:
    return rounds_of(SECTION, rounds).outcome(SIZES)


def result_of(outcome: Outcome, way: str) -> Result:
    [result] = [each for each in outcome.results if each.way == way]
    return result


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ("A", "RAR"),
        ("AB", "RABR"),
        ("ABC", "RABRCR"),
        ("ABCD", "RABRCDR"),
    ],
)
def test_everybody_stands_beside_the_reference(ways: str, expected: str) -> None:
    section = Section("some", "", "", "", tuple(map(Row, ways)), reference="R")
    assert "".join(Rounds(section, section.rows).turns()) == expected


def test_every_other_round_goes_backwards() -> None:
    asked: list[str] = []
    rounds = Rounds(SECTION, SECTION.rows)
    for _ in range(2):
        rounds.run(lambda way: (asked.append(way), Sample(1))[1])  # type: ignore[func-returns-value]
    half = len(asked) // 2
    assert asked[:half] == list(rounds.turns())
    assert asked[half:] == asked[:half][::-1]


def test_ratio_is_to_the_measurement_of_the_reference_beside_it() -> None:
    outcome = outcome_of({"ours": [10], "other way": [10], LIMIT: [10], PEER: [20, 40, 80]})
    # Its turns: rclone 20, ours, other way, rclone 40, nginx alone, rclone 80.
    assert {each.way: list(each.ratios) for each in outcome.results} == {
        "ours": [0.5],
        "other way": [0.25],
        LIMIT: [0.25],
        PEER: [],
    }


def test_figures_are_medians_of_the_rounds() -> None:
    outcome = outcome_of(*({"ours": [ours], "other way": [1], LIMIT: [1], PEER: [1, 1, 1]} for ours in (3, 1, 9)))
    result = result_of(outcome, "ours")
    assert (result.spread.median, result.spread.least, result.spread.most) == (3, 1, 9)
    assert result.values == [3, 1, 9]


def test_goal_may_be_a_share_of_another_than_the_reference() -> None:
    outcome = outcome_of({"ours": [30], "other way": [1], LIMIT: [60], PEER: [10, 10, 10]})
    result = result_of(outcome, "ours")
    assert result.bar is not None
    assert result.aim is not None
    assert (result.bar.reached, result.aim.reached) == (3, 0.5)
    assert result.verdict == "meets bar"


@pytest.mark.parametrize(
    ("goal", "reached", "met", "far"),
    [
        (HALF_OF_PEER, 0.6, True, False),
        (HALF_OF_PEER, 0.5, True, False),
        (HALF_OF_PEER, 0.3, False, False),
        (HALF_OF_PEER, 0.2, False, True),
        (TEN, 9, True, False),
        (TEN, 10, True, False),
        (TEN, 19, False, False),
        (TEN, 21, False, True),
    ],
)
def test_goal_is_met_missed_or_far(goal: Goal, reached: float, met: bool, far: bool) -> None:
    assert (goal.is_met(reached), goal.is_far(reached)) == (met, far)


@pytest.mark.parametrize(
    ("ours", "verdict", "missed", "collapsed"),
    [
        (20, "meets aim", [], []),
        (8, "meets bar", [], []),
        (4, "MISSES BAR", ["256 MiB <up>, ours"], []),
        (1, "MISSES BAR", ["256 MiB <up>, ours"], ["256 MiB <up>, ours"]),
    ],
)
def test_outcome_names_what_missed_its_bar(
    ours: float, verdict: str, missed: Sequence[str], collapsed: Sequence[str]
) -> None:
    outcome = outcome_of({"ours": [ours], "other way": [1], LIMIT: [20], PEER: [10, 10, 10]})
    assert result_of(outcome, "ours").verdict == verdict
    assert (outcome.missed, outcome.collapsed) == (missed, collapsed)


def test_summary_says_which_bars_are_missed() -> None:
    others = {"other way": [1], LIMIT: [20], PEER: [10, 10, 10]}
    good, bad = outcome_of({"ours": [8], **others}), outcome_of({"ours": [4], **others})
    barless = rounds_of(replace(SECTION, rows=(Row("other way"),)), [{"other way": [1], PEER: [10, 10]}])
    assert summary([good]) == "Every bar is met."
    assert summary([good, bad]) == "Misses its bar: 256 MiB <up>, ours."
    assert summary([barless.outcome(SIZES)]) == "Nothing here has a bar."
    assert summary([barless.outcome(SIZES), good]) == "Every bar is met."


@pytest.mark.parametrize(("ours", "looks"), [([8], 1), ([1, 8], 2), ([1, 1, 8], 3), ([1, 1, 1], 3)])
def test_collapse_is_looked_at_again(ours: Sequence[float], looks: int) -> None:
    seen = [outcome_of({"ours": [each], "other way": [1], LIMIT: [20], PEER: [10, 10, 10]}) for each in ours]
    left = iter(seen)
    assert confirmed(lambda: next(left)) is seen[looks - 1]
    assert list(left) == []


@pytest.mark.parametrize("section", [*IN_MEMORY, *SIDE_BY_SIDE], ids=lambda section: section.name)
def test_bar_is_no_stricter_than_the_aim(section: Section) -> None:
    for row in section.rows:
        if row.bar is not None and row.aim is not None and row.bar.of == row.aim.of:
            assert row.bar.is_met(row.aim.value)
            assert row.bar.of in ("", section.reference)


def test_text_has_every_way_with_ratio_goals_and_spread() -> None:
    rounds = [{"ours": [ours], "other way": [1], LIMIT: [30], PEER: [10, 10, 10]} for ours in (4, 6, 8)]
    head, _, ours, *lines, note = text.table(outcome_of(*rounds)).splitlines()
    assert head.split("  ")[0] == "256 MiB <up>"
    cells = [
        "ours",
        "0.60 (0.40 to 0.80)",
        "0.5",
        "1 of nginx alone",
        "meets bar",
        "6.00 (4.00 to 8.00)",
        "1.50",
        "25 %",
    ]
    assert re.split(" {2,}", ours) == cells
    assert [line.split("  ")[0] for line in lines] == ["other way", LIMIT, PEER]
    assert note == "1024 & more."


def test_text_leaves_out_columns_of_what_was_not_measured() -> None:
    head = text.table(outcome_of({"ours": [1], "other way": [1], LIMIT: [1], PEER: [1, 1, 1]})).splitlines()[0]
    assert "CPU s/GiB" in head
    assert "p99" not in head


def test_plot_shows_medians_rounds_and_goals_where_they_are() -> None:
    rounds = [{"ours": [ours], "other way": [50], LIMIT: [100], PEER: [60, 60, 60]} for ours in (40, 20)]
    picture = ET.fromstring(plot(outcome_of(*rounds)))
    bars = [float(each.attrib["width"]) for each in picture.iter("rect")]
    assert bars == pytest.approx([bars[2] * 0.3, bars[2] * 0.5, bars[2], bars[2] * 0.6], rel=0.01)
    start = float(next(picture.iter("rect")).attrib["x"])
    goals = {each.attrib["class"]: float(each.attrib["x1"]) - start for each in picture.iter("line")}
    assert (goals["bar"], goals["aim"]) == pytest.approx((bars[2] * 0.3, bars[2]), rel=0.01)
    dots = [float(each.attrib["cx"]) - start for each in picture.iter("circle")]
    assert dots[:2] == pytest.approx([bars[2] * 0.4, bars[2] * 0.2], rel=0.01)


class Words(HTMLParser):
    """What stands in a page, and what it would fetch."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(content)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]


def test_page_needs_nothing_else_and_escapes_what_it_says() -> None:
    outcome = outcome_of({"ours": [1], "other way": [1], LIMIT: [1], PEER: [10, 10, 10]})
    seen = Words(page.written({"machine": "<two> & more"}, [outcome]))
    assert seen.fetched == []
    assert {"<two> & more", "256 MiB <up>, MiB/s", "1024 & more.", "MISSES BAR", "0.10 of rclone"} <= set(seen.words)


def test_missing_program_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(programs.INSTALLED_BY, "no-such-program", "apt-get install it")
    with pytest.raises(ValueError, match="no-such-program is needed and was not found: apt-get install it"):
        programs.refuse_missing(["no-such-program"])


def test_configuration_without_what_is_replaced_is_refused() -> None:
    with pytest.raises(ValueError, match="'listen 8080' is not in nginx's configuration any more"):
        replaced("listen 80;", {"listen 8080": "listen 1"})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("one=http://127.0.0.1:1", "/a/b"),
        ("one=http://127.0.0.1:1/below/here/", "/below/here/a/b"),
        ("one=s3+http://127.0.0.1:1/bucket", "/bucket/a/b"),
    ],
)
def test_peer_is_given_by_its_url(given: str, path: str) -> None:
    peer = given_peer(given)
    assert (peer.name, peer.host, peer.port, peer.put("a/b").path) == ("one", "127.0.0.1", 1, path)


@pytest.mark.parametrize(
    "given",
    [
        "http://127.0.0.1:1",
        "one=127.0.0.1:1",
        "one=https://127.0.0.1:1",
        "one=s3+http://127.0.0.1:1",
        "=http://a",
        "one=http://127.0.0.1:1/a b",
        "one=http://127.0.0.1:1/a?b=c",
    ],
)
def test_peer_that_cannot_be_understood_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is meant, not"):
        given_peer(given)


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
@pytest.mark.parametrize("section", [*IN_MEMORY, *SIDE_BY_SIDE], ids=lambda section: section.name)
def test_titles_say_how_much_is_measured(section: Section, scale: Scale) -> None:
    outcome = Rounds(replace(section, rows=(), reference=""), []).outcome(scale.sizes)
    assert outcome.title
    if section.name == "small-up":
        assert f"{scale.present:,}" in outcome.title


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
@pytest.mark.parametrize("section", SIDE_BY_SIDE, ids=lambda section: section.name)
def test_large_files_up_and_down_have_more_rounds(
    section: Section, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Rounds(section, section.rows).turns()
    measured = []

    def measure(*_: object) -> Sample:
        measured.append(1)
        return Sample(1.0)

    monkeypatch.setitem(measures.MEASURES, section.name, measure)
    monkeypatch.setitem(measures.KEPT, section.name, lambda *_: None)
    lineup = dict.fromkeys(turns, given_peer("one=http://127.0.0.1:1"))
    command.side_by_side(section, section.rows, lineup, Material(scale, Path(), "", Path()))
    rounds = scale.brief_rounds if section.name in ("large-up", "large-down") else scale.rounds
    assert len(measured) == rounds * len(turns)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--rounds", "x"], "a number of at least 1, not 'x'"),
        (["--rounds", "0"], "a number of at least 1, not '0'"),
        (["--report", "/nowhere/report.html"], "/nowhere/report.html cannot be written"),
        (["--report", "/"], "/ cannot be written"),
    ],
)
def test_wrong_option_is_refused_before_anything_is_measured(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.parse(given)
    assert said in capsys.readouterr().err


def test_quick_run_of_what_has_no_bar_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse(["--quick", "--only", "small-up", "--only", "small-up-new"])
    assert "small-up-new has no bar, so --quick leaves it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], list(command.SECTIONS)),
        (["--quick"], [name for name in command.SECTIONS if name != "small-up-new"]),
        (["--only", "small-up-new", "--only", "large-up"], ["large-up", "small-up-new"]),
        (["--quick", "--only", "small-up"], ["small-up"]),
    ],
)
def test_command_measures_what_it_is_asked_for(arguments: Sequence[str], names: Sequence[str]) -> None:
    assert [section.name for section in command.sections_of(command.parse(arguments))] == names
