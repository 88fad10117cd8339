"""Looks at the system calls of a running process, and makes some of them fail, with `strace`."""

import itertools
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
_PATH = re.compile(r'\d+<((?:/|socket:)[^>]*)>|"([^"]+)"')
_ERROR = re.compile(r"= -1 (E\w+) ")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: the `number`-th of this name in its thread, on `path`. `error` is empty when it succeeded.

    `target` is the new path of what is renamed. A socket's path begins with `socket:`.
    """

    thread: str
    name: str
    number: int
    path: str
    target: str
    error: str
    injected: bool


@contextmanager
def traced(pid: int, log: Path, *injections: str, names: Sequence[str] = CALLS) -> Iterator[list[Call]]:
    """Trace every thread of `pid` while the body runs; the list is filled when it has run. Skips where it may not."""
    calls: list[Call] = []
    tracer = _attached(pid, log, injections, names)
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


def telling(recorded: Sequence[Call], *, ends: bool) -> Iterator[Call]:
    """Take, of calls that do the same to the same file in a row, the first, and with `ends` the last."""
    for _, row in itertools.groupby(recorded, key=lambda call: (call.name, call.path)):
        calls = list(row)
        yield calls[0]
        if ends and len(calls) > 1:
            yield calls[-1]


def _attached(pid: int, log: Path, injections: Sequence[str], names: Sequence[str]) -> subprocess.Popen[str]:
    program = shutil.which("strace")
    if program is None:
        pytest.skip("this needs Debian's package strace: apt-get install strace")
    options = [option for injection in injections for option in ("-e", injection)]
    tracer = subprocess.Popen(
        [program, "-f", "-y", "-s0", "-o", str(log), "-e", f"trace={','.join(names)}", *options, "-p", str(pid)],
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
        path, target, *_ = [*(found[1] or found[2] for found in _PATH.finditer(rest)), "", ""]
        error = _ERROR.search(rest)
        yield Call(
            thread=thread,
            name=name,
            number=numbers[thread, name],
            path=path,
            target=target,
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
