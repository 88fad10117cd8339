"""The commands as a whole: what they print, write, refuse and leave behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import parse
from benchmarks.bars import SECTIONS
from benchmarks.servers import ROOT

START_SECONDS = 60
pytestmark = pytest.mark.usefixtures("programs")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_quick_run_prints_tables_and_writes_the_page(tmp_path: Path) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "folder"
    folder.mkdir()
    sections = ("--only", "large-down", "--only", "small-down-16")
    done = run("benchmarks", "--quick", "--rounds", "1", *sections, "--report", str(page), "--folder", str(folder))
    for row in ("private, straight", "nginx alone", "signed, through nginx", "rclone"):
        assert re.search(rf"^{row} .*\d", done.stdout, re.MULTILINE), done
    assert re.search(r"^(No bar is missed|Misses its bar: .+)\.$", done.stdout, re.MULTILINE)
    assert (done.returncode == 0) is ("Far below its bar" not in done.stderr)
    assert "64 MiB down, one client" in page.read_text()
    assert list(folder.iterdir()) == []


_MORE_SIGNALS = [pytest.param(each, marks=pytest.mark.ci) for each in (signal.SIGTERM, signal.SIGHUP)]


@pytest.mark.parametrize("sent", [signal.SIGINT, *_MORE_SIGNALS])
def test_signal_ends_everything_that_was_started(tmp_path: Path, sent: signal.Signals) -> None:
    # Not inherited from nohup or a shell's background, which ignore some signals.
    command = ["env", "--default-signal", sys.executable, "-m", "benchmarks", "--only", "large-up"]
    given = ("--report", os.devnull, "--folder", str(tmp_path))
    with subprocess.Popen([*command, *given], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        assert running.stderr is not None
        assert b"large-up, round 1" in running.stderr.readline()
        running.send_signal(sent)
        assert running.wait(START_SECONDS) == 128 + sent
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in commands()


def commands() -> str:
    """Return the command lines of all processes; an ended one has none."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_peer_that_does_not_answer_is_named(tmp_path: Path) -> None:
    given = ("--peer", "mine=http://127.0.0.1:9", "--only", "large-up", "--folder", str(tmp_path))
    done = run("benchmarks", "--quick", "--report", os.devnull, *given)
    assert (done.returncode, done.stderr) == (1, "mine cannot be reached: [Errno 111] Connection refused.\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--rounds", "0"], "expected a number of at least 1, not '0'"),
        (["--report", "/nowhere/report.html"], "/nowhere/report.html cannot be written"),
        (["--report", "/"], "/ cannot be written"),
        (["--peer", "mine"], "expected NAME=http://host:port/path, not 'mine'"),
        (["--only", "nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_wrong_option_is_refused_before_anything_starts(given, said: str, capsys) -> None:
    with pytest.raises(SystemExit):
        parse(given)
    assert said in capsys.readouterr().err


def test_sections_are_chosen() -> None:
    assert [section.name for section in parse([]).sections] == [*SECTIONS]
    assert [section.name for section in parse(["--only", "small-up"]).sections] == ["small-up"]


@pytest.mark.ci
def test_slow_clients_are_fed_and_others_do_not_wait(tmp_path: Path) -> None:
    done = run("benchmarks.slow_clients", "--clients", "3", "--seconds", "3", "--folder", str(tmp_path))
    rows = {cells[0]: cells[1:] for line in done.stdout.splitlines() if len(cells := re.split(" {2,}", line)) == 3}
    assert rows["downloads at half their rate or more"] == ["3", "3"], done
    assert rows["uploads refused or broken"] == ["0", "0"]
    assert float(rows["/health, p99, ms"][0]) > 0
    assert list(tmp_path.iterdir()) == []
