"""The service beside its peers: large and small objects up and down, first bytes and memory.

    .venv/bin/python -m benchmarks

Starts everything it needs, measures everybody in turn, and prints tables: medians, with the least and the most of all
rounds. benchmarks/report.html has them with plots.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import machine, memory
from .lineup import Lineup, everybody, started
from .measures import FULL, KEPT, MEASURES, QUICK, Material, Scale
from .peers.given import given_peer
from .processes import end_by_signals
from .programs import INSTALLED_BY, refuse_missing
from .report import page, text
from .results import Outcome
from .rounds import Rounds
from .sections import IN_MEMORY, SIDE_BY_SIDE, Row, Section
from .service import refuse_other_index
from .targets import Target

REPORT = Path(__file__).with_name("report.html")
_MORE_LOOKS = 2
SECTIONS = {section.name: section for section in [*IN_MEMORY, *SIDE_BY_SIDE]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report. Ends with 1 when something is far below its bar, which no noise explains."""
    options = parse(arguments)
    try:
        refuse_missing(INSTALLED_BY)
        refuse_other_index()
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            outcomes = report(Path(folder), options)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    print(summary(outcomes))
    collapsed = [name for outcome in outcomes for name in outcome.collapsed]
    if collapsed:
        sys.exit(f"Far below its bar: {'; '.join(collapsed)}.")


def summary(outcomes: Sequence[Outcome]) -> str:
    """Say which bars are missed."""
    missed = [name for outcome in outcomes for name in outcome.missed]
    if missed:
        return f"Misses its bar: {'; '.join(missed)}."
    bars = [result.bar for outcome in outcomes for result in outcome.results if result.bar is not None]
    return "Every bar is met." if bars else "Nothing here has a bar."


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and what has a bar, in two or three minutes")
    parser.add_argument(
        "--rounds",
        type=_rounds,
        help=f"of every section (default: {FULL.rounds}, and {FULL.brief_rounds} of large files up and down)",
    )
    parser.add_argument(
        "--folder", type=Path, help="an existing one, on the disk to measure (default: for temporary files)"
    )
    parser.add_argument("--only", action="append", choices=SECTIONS, help="measure this alone; may be given again")
    parser.add_argument(
        "--peer",
        action="append",
        type=_peer,
        default=[],
        metavar="NAME=URL",
        help="measure this server, too: http://host:port/path takes PUT and lists as nginx does, "
        "s3+http://host:port/bucket speaks S3 and wants no signatures; may be given again",
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where the page goes (default: %(default)s)")
    options = parser.parse_args(arguments)
    there = options.report if options.report.exists() else options.report.parent
    if options.report.is_dir() or not os.access(there, os.W_OK):
        parser.error(f"{options.report} cannot be written: give another --report.")
    for name in options.only or []:
        if not chosen(SECTIONS[name], quick=options.quick):
            parser.error(f"{name} has no bar, so --quick leaves it out; measure it without --quick.")
    return options


def report(folder: Path, options: argparse.Namespace) -> Sequence[Outcome]:
    """Measure, print each table as soon as it is there, and write the page at the end."""
    scale = scale_of(options)
    facts = machine.described(folder)
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()), end="\n\n", flush=True)
    material = Material.make(folder, scale)
    outcomes = []
    for outcome in measured(folder, material, sections_of(options), options):
        print(f"{text.table(outcome)}\n", flush=True)
        outcomes.append(outcome)
    options.report.write_text(page.written(facts, outcomes))
    print(f"{options.report} has plots.\n")
    return outcomes


def sections_of(options: argparse.Namespace) -> Sequence[Section]:
    names = options.only or SECTIONS
    return [section for name, section in SECTIONS.items() if name in names and chosen(section, quick=options.quick)]


def scale_of(options: argparse.Namespace) -> Scale:
    scale = QUICK if options.quick else FULL
    if options.rounds is not None:
        return replace(scale, rounds=options.rounds, brief_rounds=options.rounds, memory_rounds=options.rounds)
    return scale


def measured(
    folder: Path, material: Material, sections: Sequence[Section], options: argparse.Namespace
) -> Iterator[Outcome]:
    in_memory = [section for section in sections if section in IN_MEMORY]
    if in_memory:
        yield from memory_outcomes(folder, material, in_memory)
    others = [section for section in sections if section not in IN_MEMORY]
    if others:
        lineup = everybody(folder, options.peer)
        show("Starting everybody")
        with started(list(lineup.values())):
            for section in others:
                rows = [*chosen(section, quick=options.quick), *(Row(peer.name) for peer in options.peer)]
                yield confirmed(partial(side_by_side, section, rows, lineup, material))


def chosen(section: Section, *, quick: bool) -> Sequence[Row]:
    return [row for row in section.rows if row.bar is not None or not quick]


def memory_outcomes(folder: Path, material: Material, sections: Sequence[Section]) -> Iterator[Outcome]:
    rounds = [Rounds(section, section.rows) for section in sections]
    for number in range(material.scale.memory_rounds):
        show(f"memory, round {number + 1} of {material.scale.memory_rounds}")
        samples = memory.measure_all(folder, material)
        for each in rounds:
            each.run(samples[each.section.name].__getitem__)
    yield from (each.outcome(material.scale.sizes) for each in rounds)


def confirmed(measure: Callable[[], Outcome]) -> Outcome:
    """Measure again what seems to have collapsed: what is noise passes, a collapse stays."""
    outcome = measure()
    for _ in range(_MORE_LOOKS):
        if not outcome.collapsed:
            break
        show(f"Measuring again: {'; '.join(outcome.collapsed)}")
        outcome = measure()
    return outcome


def side_by_side(section: Section, rows: Sequence[Row], lineup: Lineup, material: Material) -> Outcome:
    """Measure one section, round after round."""
    name, rounds = section.name, Rounds(section, rows)
    count = material.scale.brief_rounds if section.brief else material.scale.rounds
    for way in dict.fromkeys(rounds.turns()):
        if name in KEPT:
            KEPT[name](lineup[way], material)
    for number in range(count):
        show(f"{name}, round {number + 1} of {count}")
        rounds.run(lambda way: MEASURES[name](lineup[way], material))
    return rounds.outcome(material.scale.sizes)


def show(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number of at least 1, not {text!r}")
    return int(text)


def _peer(text: str) -> Target:
    try:
        return given_peer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    end_by_signals()
    main()
