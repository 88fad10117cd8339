"""Many clients with small objects: wrk, a program in C, because clients in Python would take the service's cores."""

import resource
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..programs import program
from ..targets import Target

# What stands in a key for the number of the object; every object of a run has its own number.
NUMBER = "NUMBER"

_SCRIPT = Path(__file__).with_name("wrk.lua")
_DIGITS = 10
_FILLING_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run; times are in seconds. `own_cpu_seconds` is what wrk took of a core."""

    seconds: float
    requests: int
    median: float
    p99: float
    own_cpu_seconds: float


def content(number: int, size: int) -> bytes:
    """Return the bytes of an object: no two are the same."""
    return f"{number:0{_DIGITS}d}".encode() + _filler(size)


def put_new(target: Target, folder: str, *, size: int, clients: int, seconds: int, first: int) -> Run:
    """Put new objects, with numbers from `first` on, below `folder`, which is there.

    One number is left out: wrk tries its script with it, and sends nothing. Raises `RuntimeError` when one is refused.
    """
    run, _ = _run(target, _to_put(target, folder, size, first), clients, seconds)
    return run


def fill(target: Target, folder: str, *, size: int, clients: int, count: int) -> None:
    """Put `count` objects in the same way, with numbers from 1 on; those that are on their way then may come, too.

    Raises `RuntimeError` when one is refused, or when it takes longer than ten minutes.
    """
    said, _ = _wrk(target, {**_to_put(target, folder, size, 1), "enough": count}, clients, _FILLING_SECONDS)
    if said.split()[-1:] != ["filled"]:
        raise RuntimeError(f"{target.name} did not take {count} objects:\n{said}")


def _to_put(target: Target, folder: str, size: int, first: int) -> Mapping[str, object]:
    request = target.put(f"{folder}/{NUMBER}")
    return {
        "first": first,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "before": request.before,
        "filler": _filler(size),
        "after": request.after,
    }


def get_often(target: Target, keys: Sequence[str], *, size: int, clients: int, seconds: int) -> Run:
    """Get these objects over and over. Raises `RuntimeError` when one is refused or bytes are missing."""
    requests = [target.get(key) for key in keys]
    wanted = {"paths": [request.path for request in requests], "headers": requests[0].headers}
    run, received = _run(target, wanted, clients, seconds)
    if received < run.requests * size:
        raise RuntimeError(f"{target.name} gave {received} bytes for {run.requests} objects of {size}.")
    return run


def _run(target: Target, wanted: object, clients: int, seconds: int) -> tuple[Run, int]:
    """Return what came of a run, and how many bytes were received."""
    return _read(target, *_wrk(target, wanted, clients, seconds))


def _wrk(target: Target, wanted: object, clients: int, seconds: int) -> tuple[str, float]:
    """Return what wrk says, and what it took of a core, in seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as data:
        data.write(f"return {as_lua(wanted)}")
        data.flush()
        before = _children_cpu_seconds()
        said = subprocess.run(
            [
                *(program("wrk"), "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
                *("--timeout", "30s", "--script", str(_SCRIPT), f"http://{target.host}:{target.port}", data.name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout + said.stderr, _children_cpu_seconds() - before


def _read(target: Target, said: str, own_cpu_seconds: float) -> tuple[Run, int]:
    last = said.splitlines()[-1].split() if said.strip() else []
    if last[:1] != ["figures"]:
        raise RuntimeError(f"wrk failed with {target.name}:\n{said}")
    microseconds, requests, received, errors, median, p99 = map(int, last[1:])
    if errors or not requests:
        raise RuntimeError(f"{target.name} answered {requests} requests, and refused or dropped {errors}:\n{said}")
    return Run(microseconds / 1e6, requests, median / 1e6, p99 / 1e6, own_cpu_seconds), received


def as_lua(value: object) -> str:
    """Write a value as Lua's source has it."""
    if isinstance(value, bytes):
        return '"' + "".join(f"\\{byte:03d}" for byte in value) + '"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return as_lua(value.encode())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{as_lua(name)}]={as_lua(each)}" for name, each in value.items()) + "}"
    assert isinstance(value, list), value
    return "{" + ",".join(map(as_lua, value)) + "}"


def _filler(size: int) -> bytes:
    return b"x" * (size - _DIGITS)


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
