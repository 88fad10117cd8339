"""Looks at the system calls of a running process, and makes some of them fail, with `strace`."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# What changes the disk and can be made to fail: bytes of files, bytes of SQLite, and what makes both durable and named.
CALLS = ("write", "pwrite64", "fsync", "rename")
# All of them but `write`, with which gunicorn also wakes its main thread.
CALLS_OF_THE_DISK_ALONE = ("pwrite64", "fsync", "rename")

_WAIT_SECONDS = 10
_CALL = re.compile(r"(\w+)\((.*)")
_PATH = re.compile(r'\d+<(/[^>]*)>|"([^"]*)"')
_ERROR = re.compile(r"= -1 (E\w+) ")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: the `number`-th of this name in its thread, on `path`. `error` is empty when it succeeded."""

    name: str
    number: int
    path: str
    error: str
    injected: bool


@contextmanager
def traced(pid: int, log: Path, *injections: str) -> Iterator[list[Call]]:
    """Trace every thread of `pid` while the body runs; the list is filled when it has run. Skips where it may not."""
    calls: list[Call] = []
    tracer = _attached(pid, log, injections)
    try:
        yield calls
    finally:
        tracer.terminate()  # it detaches first
        tracer.communicate(timeout=_WAIT_SECONDS)
        calls.extend(_parsed(log.read_text()))


def failing_once(call: Call) -> list[str]:
    """Make this very call fail, when all happens again as it was recorded."""
    return [f"inject={call.name}:error=EIO:when={call.number}"]


def failing_from(call: Call, recorded: Sequence[Call]) -> list[str]:
    """Make `call` and every call after it fail."""
    earlier = Counter(other.name for other in recorded[: recorded.index(call)])
    return [f"inject={name}:error=EIO:when={earlier[name] + 1}+" for name in CALLS_OF_THE_DISK_ALONE]


def _attached(pid: int, log: Path, injections: Sequence[str]) -> subprocess.Popen[str]:
    program = shutil.which("strace")
    if program is None:
        pytest.skip("this needs Debian's package strace: apt-get install strace")
    options = [option for injection in injections for option in ("-e", injection)]
    tracer = subprocess.Popen(
        [program, "-f", "-y", "-s0", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *options, "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    said = tracer.stderr.readline() if tracer.stderr is not None else ""
    if " attached" not in said:
        tracer.wait(_WAIT_SECONDS)
        pytest.skip(f"this needs the right to trace processes: {said.strip()}")
    return tracer


def _parsed(log: str) -> Iterator[Call]:
    numbers: Counter[tuple[str, str]] = Counter()
    for thread, text in _whole_lines(log):
        begun = _CALL.match(text)
        if begun is None:  # a signal, or an exit
            continue
        name, rest = begun.groups()
        numbers[thread, name] += 1
        path, error = _PATH.search(rest), _ERROR.search(rest)
        yield Call(
            name=name,
            number=numbers[thread, name],
            path="" if path is None else path[1] or path[2] or "",
            error="" if error is None else error[1],
            injected=rest.endswith("(INJECTED)"),
        )


def _whole_lines(log: str) -> Iterator[tuple[str, str]]:
    """Return the threads and what they did; a call is in two lines where another thread's came between."""
    unfinished: dict[str, str] = {}
    for line in log.splitlines():
        thread, text = line.split(maxsplit=1)
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = text
        elif text.startswith("<... "):
            yield thread, unfinished.pop(thread, "") + text
        else:
            yield thread, text
