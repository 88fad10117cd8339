"""What the benchmarks measure, with real servers: each adapter, each kind of load, and the command as a whole."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import memory
from benchmarks.lineup import Lineup, everybody, started
from benchmarks.load import large, small
from benchmarks.measures import (
    FIRST_MEASURED,
    KEPT,
    MEASURES,
    QUICK,
    SMALL_BYTES,
    SMALL_CLIENTS,
    Material,
)
from benchmarks.peers.given import given_peer
from benchmarks.processes import wait_briefly
from benchmarks.programs import INSTALLED_BY, refuse_missing
from benchmarks.sections import IN_MEMORY, SIDE_BY_SIDE
from benchmarks.targets import Request, Target, ask, check
from tests.support.checkout import ROOT

SCALE = replace(QUICK, rounds=1, large=1, huge=2, first_bytes=2, kept=3, present=50)
WAYS = [
    *("nginx alone", "rclone", "raw, straight", "raw, through nginx", "form, straight", "form, through nginx"),
    *("raw, straight, fsync", "raw, through nginx, fsync", "private, straight", "private, through nginx"),
    *("signed, through nginx", "public, through nginx"),
]
CONTENT = b"some bytes"
CLIENTS = 4
START_SECONDS = 60

pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture(scope="module")
def programs() -> None:
    try:
        refuse_missing(INSTALLED_BY)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def material(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("material"), SCALE)


@pytest.fixture(scope="module")
def lineup(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lineup]:
    lineup = everybody(tmp_path_factory.mktemp("lineup"), [])
    with started(list(lineup.values())):
        yield lineup


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_everybody_in_the_sections_is_in_the_line_up(lineup: Lineup) -> None:
    assert list(lineup) == WAYS
    assert {row.way for section in SIDE_BY_SIDE for row in section.rows} == set(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_object_is_put_listed_got_and_deleted(lineup: Lineup, way: str) -> None:
    target, folder = lineup[way], f"adapter/{WAYS.index(way)}"
    for key in (f"{folder}/one", f"{folder}/two"):
        ask(target, target.put(key), b"what is replaced")
        ask(target, target.put(key), CONTENT)
        check(target, key, sha256(CONTENT))
    ask(target, target.delete(f"{folder}/one"))
    assert list(target.keys(folder)) == [f"{folder}/two"]


@pytest.mark.parametrize("way", WAYS)
def test_other_bytes_are_noticed(lineup: Lineup, way: str) -> None:
    target = lineup[way]
    ask(target, target.put("adapter/other"), b"some bytez")
    with pytest.raises(RuntimeError, match=f"{way} gave other bytes for adapter/other than were put there"):
        check(target, "adapter/other", sha256(CONTENT))


@pytest.mark.parametrize("way", ["nginx alone", "rclone", "raw, straight"])
def test_refusal_ends_the_benchmark(lineup: Lineup, way: str) -> None:
    with pytest.raises(RuntimeError, match=rf"{way} answered GET \S+ with 404"):
        check(lineup[way], "adapter/missing", sha256(CONTENT))


@pytest.mark.parametrize("way", ["rclone", "raw, straight"])
def test_list_goes_over_pages(lineup: Lineup, way: str) -> None:
    target = replace(lineup[way], page=2)  # type: ignore[type-var]  # the port does not say that it is a dataclass
    keys = [f"pages/{number}" for number in range(5)]
    for key in keys:
        ask(target, target.put(key), CONTENT)
    assert list(target.keys("pages")) == keys


@pytest.mark.parametrize("section", SIDE_BY_SIDE, ids=lambda section: section.name)
def test_every_section_can_be_measured(lineup: Lineup, material: Material, section: object) -> None:
    name = section.name  # type: ignore[attr-defined]
    for target in (lineup["nginx alone"], lineup["raw, straight"], lineup["public, through nginx"]):
        if name in KEPT:
            KEPT[name](target, material)
        sample = MEASURES[name](target, material)
        assert sample.value > 0
        assert (sample.cpu is None) is (section.cpu_unit == "")  # type: ignore[attr-defined]


def test_peer_whose_processes_are_not_ours_is_measured(lineup: Lineup, material: Material) -> None:
    given = given_peer(f"somebody=http://127.0.0.1:{lineup['nginx alone'].port}/somebody")
    sample = MEASURES["large-up"](given, material)
    assert sample.value > 0
    assert sample.cpu is None


def test_uploads_that_wrk_could_not_make_end_the_benchmark(lineup: Lineup) -> None:
    target = refusing(lineup["raw, straight"])
    with pytest.raises(RuntimeError, match=r"raw, straight answered \d+ requests, and refused or dropped [1-9]"):
        small.put_new(target, "refused", size=SMALL_BYTES, clients=1, seconds=1, first=1)


@pytest.mark.parametrize("way", ["nginx alone", "rclone", "raw, through nginx", "form, straight"])
def test_folder_is_filled_with_objects_of_their_own(lineup: Lineup, way: str) -> None:
    target, folder = lineup[way], f"filled/{WAYS.index(way)}"
    ask(target, target.put(f"{folder}/first"), CONTENT)
    small.fill(target, folder, size=SMALL_BYTES, clients=CLIENTS, count=30)
    run = small.put_new(target, folder, size=SMALL_BYTES, clients=CLIENTS, seconds=1, first=1000)
    numbers = [int(key.rpartition("/")[2]) for key in target.keys(folder) if not key.endswith("/first")]
    filled = [number for number in numbers if number < 1000]
    assert 30 <= len(filled) < 30 + CLIENTS  # while one of them got the last answer, the others had sent something
    assert len(numbers) - len(filled) >= run.requests
    for number in (min(numbers), max(filled), max(numbers)):
        check(target, f"{folder}/{number:010}", sha256(small.content(number, SMALL_BYTES)))


def test_folder_that_could_not_be_filled_ends_the_benchmark(lineup: Lineup) -> None:
    target = refusing(lineup["raw, straight"])
    with pytest.raises(RuntimeError, match=r"(?s)raw, straight did not take 5 objects.*refused 401"):
        small.fill(target, "refused", size=SMALL_BYTES, clients=1, count=5)


@pytest.mark.parametrize(("section", "present"), [("small-up", SCALE.present), ("small-up-new", 0)])
def test_folder_is_in_use_or_new(lineup: Lineup, material: Material, section: str, present: int) -> None:
    raw = lineup["raw, straight"]
    before = set(raw.keys("small"))
    MEASURES[section](raw, material)
    numbers = [key.rpartition("/")[2] for key in raw.keys("small") if key not in before]
    others = [number for number in numbers if number < f"{FIRST_MEASURED:010}"]
    assert present <= len(others) <= present + (SMALL_CLIENTS if present else 0)
    assert len(numbers) > len(others) + 1  # and what was measured


@pytest.mark.parametrize("section", ["small-up", "small-up-new"])
def test_lost_upload_ends_the_benchmark(lineup: Lineup, material: Material, section: str) -> None:
    raw = lineup["raw, straight"]

    def without_the_measured(folder: str) -> Iterator[str]:
        yield from (key for key in raw.keys(folder) if key < f"{folder}/{FIRST_MEASURED:010}")

    with pytest.raises(RuntimeError, match=r"raw, straight lists 0 objects in small/\d+, and answered \d+ uploads"):
        MEASURES[section](Changed(raw, keys=without_the_measured), material)


@pytest.mark.parametrize("section", ["small-up", "small-up-new"])
def test_upload_with_other_bytes_ends_the_benchmark(lineup: Lineup, material: Material, section: str) -> None:
    raw = lineup["raw, straight"]

    def the_first_instead(key: str) -> Request:
        measured = key.rpartition("/")[2] >= f"{FIRST_MEASURED:010}"
        return raw.get(f"{key.rpartition('/')[0]}/first" if measured else key)

    with pytest.raises(RuntimeError, match=r"raw, straight gave other bytes for small/\d+/0001\d+ than were put there"):
        MEASURES[section](Changed(raw, get=the_first_instead), material)


def refusing(target: Target) -> Target:
    """Return a target whose uploads nobody may make."""
    return Changed(target, put=lambda key: replace(target.put(key), headers={}))


class Changed:
    """`target`, but for some of its methods."""

    def __init__(self, target: Target, **changes: Any) -> None:
        self.name, self.host, self.port, self.servers = target.name, target.host, target.port, target.servers
        self.prepare, self.put, self.get = target.prepare, target.put, target.get
        self.delete, self.keys = target.delete, target.keys
        vars(self).update(changes)


def test_download_of_another_size_ends_the_benchmark(lineup: Lineup) -> None:
    target = lineup["nginx alone"]
    ask(target, target.put("adapter/size"), CONTENT)
    with pytest.raises(RuntimeError, match=r"gave 10 bytes of adapter/size, not 9"):
        large.download(target, "adapter/size", len(CONTENT) - 1)


def test_memory_of_a_started_server_is_seen(material: Material, tmp_path: Path) -> None:
    target = everybody(tmp_path, [])["raw, straight"]
    with started([target]):
        mib = memory.measure(target, material)
    assert set(mib) == {section.name for section in IN_MEMORY}
    assert mib["memory-idle"] > 10  # what Python alone takes


def test_name_of_a_peer_must_be_its_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rclone is measured already"):
        everybody(tmp_path, [given_peer("rclone=http://127.0.0.1:1")])


def test_command_prints_tables_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    given = [*("--quick", "--rounds", "1", "--only", "large-down"), "--report", str(report), "--folder", str(tmp_path)]
    with suppress(SystemExit):  # the machine may be too busy for the bars
        command.main(given)
    printed = capsys.readouterr().out
    assert re.search(r"^private, straight +\d", printed, re.MULTILINE)
    assert "64 MiB down, MiB/s" in report.read_text()
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_everything_that_was_started(tmp_path: Path, sent: signal.Signals) -> None:
    log = tmp_path.with_name(f"{tmp_path.name}.log")
    arguments = [*("--quick", "--only", "large-up"), "--report", os.devnull, "--folder", str(tmp_path)]
    with log.open("wb") as written:
        # Whatever this test was started by, as nohup, must not make the signal one that is ignored.
        command = ["env", "--default-signal=INT,TERM,HUP", sys.executable, "-m", "benchmarks", *arguments]
        running = subprocess.Popen(command, cwd=ROOT, stderr=written)
    deadline = time.monotonic() + START_SECONDS
    try:
        while b"large-up, round 1" not in log.read_bytes() and time.monotonic() < deadline:
            wait_briefly()
        assert len(users_of(tmp_path)) > 10
        while running.poll() is None and time.monotonic() < deadline:
            running.send_signal(sent)  # as somebody does who cannot wait
            wait_briefly()
    finally:
        running.kill()
    # The interpreter gives signals their own effect back when it has nothing left to end.
    assert running.wait(1) in (128 + sent, -sent)
    assert users_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in log.read_text()


def test_peer_that_is_away_is_named() -> None:
    starting = started([given_peer("mine=http://127.0.0.1:1")])
    with pytest.raises(RuntimeError, match=r"mine cannot be reached at 127\.0\.0\.1:1: .*refused"), starting:
        pass


def users_of(folder: Path) -> list[str]:
    """Return the processes whose command or environment names the folder, without those that have ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
