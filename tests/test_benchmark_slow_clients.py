"""The benchmark of slow clients, with a few of them: they keep to their rate, and what becomes of them is told."""

import re
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.lineup import started
from benchmarks.load import large, small
from benchmarks.peers.nginx import PlainHttp, nginx_alone
from benchmarks.programs import program
from benchmarks.slow_clients import __main__ as command
from benchmarks.slow_clients import watch
from benchmarks.slow_clients.crowd import RATE, Crowd, Tally
from benchmarks.slow_clients.watch import Watch
from benchmarks.targets import Request, Target, ask

CLIENTS = 4
SECONDS = 2.0


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """nginx alone, with an object that takes minutes at a slow client's rate."""
    try:
        program("nginx")
    except ValueError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("slow")
    target = nginx_alone(folder / "nginx")
    (folder / "long").write_bytes(bytes(RATE * 600))
    with started([target]):
        large.upload(target, "long", folder / "long")
        ask(target, target.put("short"), small.content(0, 100))
        yield target


def tally_of(target: Target, *, upload_bytes: int) -> Tally:
    put, get = target.put("slow/NUMBER"), target.get("long")
    crowd = Crowd(target.host, target.port, put, get, CLIENTS, 0.1, SECONDS, upload_bytes)
    with command.process(crowd) as receiver:
        tally = receiver.recv()
    assert isinstance(tally, Tally)
    return tally


def test_crowd_keeps_to_its_rate_both_ways(target: Target) -> None:
    tally = tally_of(target, upload_bytes=RATE * 600)
    most = CLIENTS * RATE * (tally.seconds + 1)  # the first step is taken at once
    assert most / 4 < tally.sent <= most
    assert most / 4 < tally.received <= most
    assert tally.fed == CLIENTS


def test_crowd_uploads_one_object_after_the_other(target: Target) -> None:
    tally = tally_of(target, upload_bytes=RATE // 2)
    assert set(tally.answers) == {"201"}
    assert tally.answers["201"] > CLIENTS
    done = {ask(target, target.get(key)) for key in target.keys("slow")}
    assert {len(content) for content in done} == {RATE // 2}


def test_crowd_tells_of_refusals(target: Target) -> None:
    refused = PlainHttp("refused", target.port, root="/short")  # a file, below which nothing can be put
    tally = tally_of(refused, upload_bytes=RATE // 2)
    assert set(tally.answers) == {"500"}
    assert tally.fed == 0


def test_watch_sees_answers_and_memory(target: Target) -> None:
    watch = Watch()
    watch.run(target, {"short": target.get("short")}, seconds=0.2)
    assert len(watch.seconds["short"]) > 1
    assert watch.unanswered == {}
    assert watch.memory["nginx"][0] > 1


def test_request_that_nobody_answers_takes_all_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.1)
    seen = Watch()
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        seen.run(PlainHttp("silent", silent.getsockname()[1]), {"any": Request("GET", "/")}, seconds=0.05)
    assert (list(seen.seconds["any"]), seen.unanswered["any"]) == ([0.1], 1)


def test_command_measures_both_ways(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_RAMP_SECONDS", 0.1)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    threads = set(threading.enumerate())
    try:
        command.main(["--clients", "2", "--seconds", "1", "--folder", str(tmp_path)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    printed = capsys.readouterr().out
    assert re.search(r"^2 uploads and 2 downloads at 20 KiB/s +through nginx +straight$", printed, re.MULTILINE)
    for name in ("/health, p99, ms", "10 KiB down, p50, ms", "nginx, MiB meanwhile", "The service, MiB before"):
        assert re.search(rf"^{name} +\d", printed, re.MULTILINE)
    assert re.search(r"^downloads with their rate +2 +2$", printed, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= threads
