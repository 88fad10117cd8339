"""The service beside its peers: large and small objects up and down, first bytes and memory.

    .venv/bin/python -m benchmarks

Starts every server, measures all ways in turn, prints tables, and writes benchmarks/report.html with plots.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from . import report
from .bars import IN_MEMORY, SECTIONS, Row, Section
from .measures import FULL, MEASURES, QUICK, Material, memory
from .results import Outcome, Rounds, Sample
from .servers import INSTALLED_BY, Server, end_by_signals, program
from .targets import Target, everybody, given

REPORT = Path(__file__).with_name("report.html")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report. Exits with 1 when a figure is far below its bar, which noise does not explain."""
    options = parse(arguments)
    try:
        for name in INSTALLED_BY:
            program(name)
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            outcomes = measure_all(Path(folder), options)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    missed = [name for outcome in outcomes for name in outcome.missed()]
    print(f"Misses its bar: {'; '.join(missed)}." if missed else "No bar is missed.")
    if far := [name for outcome in outcomes for name in outcome.collapsed()]:
        sys.exit(f"Far below its bar: {'; '.join(far)}.")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    again = "may be repeated"
    parser.add_argument("--quick", action="store_true", help="small sizes, only rows with a bar; two or three minutes")
    parser.add_argument("--rounds", type=_count, help="of every section")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure (default: TMPDIR or /tmp)")
    parser.add_argument("--only", action="append", choices=SECTIONS, help=f"measure this section; {again}")
    parser.add_argument("--peer", action="append", type=_peer, default=[], metavar="NAME=http://HOST:PORT/PATH",
                        help=f"measure this server, too, with PUT, GET and DELETE below PATH; {again}")  # fmt: skip
    parser.add_argument("--report", type=Path, default=REPORT, help="path of the page (default: %(default)s)")
    options = parser.parse_args(arguments)
    there = options.report if options.report.exists() else options.report.parent
    if options.report.is_dir() or not os.access(there, os.W_OK):
        parser.error(f"{options.report} cannot be written: give another --report.")
    options.scale = QUICK if options.quick else FULL
    if count := options.rounds:
        options.scale = replace(options.scale, rounds=count, brief_rounds=count, memory_rounds=count)
    options.sections = [SECTIONS[name] for name in SECTIONS if name in (options.only or SECTIONS)]
    return options


def measure_all(folder: Path, options: argparse.Namespace) -> Sequence[Outcome]:
    """Print each table as soon as it is measured, and write the page at the end."""
    facts, outcomes = report.machine(folder), []
    print(facts, flush=True)
    ways, material = everybody(folder, options.peer), Material.make(folder, options.scale)
    rounds = [rounds_of(section, options) for section in options.sections]
    for outcome in itertools.chain(in_memory(rounds, ways, material), side_by_side(rounds, ways, material)):
        print(f"{report.table(outcome)}\n", flush=True)
        outcomes.append(outcome)
    options.report.write_text(report.page(facts, outcomes))
    print(f"{options.report} has plots.\n")
    return outcomes


def rounds_of(section: Section, options: argparse.Namespace) -> Rounds:
    peers = [] if section in IN_MEMORY else [Row(peer.name) for peer in options.peer]
    return Rounds(section, [row for row in section.rows if row.bar or not options.quick] + peers)


def in_memory(rounds: Sequence[Rounds], ways: Mapping[str, Target], material: Material) -> Iterator[Outcome]:
    """Measure memory, one way after the other, each with servers that were just started."""
    rounds = [each for each in rounds if each.section in IN_MEMORY]
    names = dict.fromkeys(way for each in rounds for way in each.order())
    for number in range(material.scale.memory_rounds if rounds else 0):
        show(f"memory, round {number + 1}")
        samples: dict[str, Mapping[str, Sample]] = {}
        for name in names:
            with started([ways[name]]):
                samples[name] = memory(ways[name], material)
        for each in rounds:
            each.run({way: sample[each.section.name] for way, sample in samples.items()}.__getitem__)
    yield from (each.outcome(asdict(material.scale)) for each in rounds)


def side_by_side(rounds: Sequence[Rounds], ways: Mapping[str, Target], material: Material) -> Iterator[Outcome]:
    """Measure one section after the other, round by round, while all servers run."""
    rounds = [each for each in rounds if each.section not in IN_MEMORY]
    names = dict.fromkeys(way for each in rounds for way in each.order())
    with started([ways[name] for name in names]):
        for each in rounds:
            yield measured(each, ways, material)


def measured(rounds: Rounds, ways: Mapping[str, Target], material: Material) -> Outcome:
    """Measure a section, and once more when it seems to have collapsed: noise passes, a collapse stays."""
    outcome = run_rounds(rounds, ways, material)
    return run_rounds(rounds, ways, material) if outcome.collapsed() else outcome


def run_rounds(rounds: Rounds, ways: Mapping[str, Target], material: Material) -> Outcome:
    section, scale = rounds.section, material.scale
    for number in range(scale.brief_rounds if section.brief else scale.rounds):
        show(f"{section.name}, round {number + 1}")
        rounds.run(lambda way: MEASURES[section.name](ways[way], material))
    return rounds.outcome(asdict(scale))


@contextmanager
def started(targets: Sequence[Target]) -> Iterator[None]:
    """Run the servers of these targets, prepared for them."""
    servers: dict[Server, None] = dict.fromkeys(server for target in targets for server in target.servers)
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server).start()
        for target in targets:
            try:
                target.prepare()
            except OSError as error:
                raise RuntimeError(f"{target.name} cannot be reached: {error}.") from error
        yield
        for server in reversed(servers):
            server.stop()


def show(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return int(text)


def _peer(text: str) -> Target:
    try:
        return given(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    end_by_signals()
    main()
