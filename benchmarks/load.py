"""The load: one large object over one connection, or many clients with small objects. Both leave the cores alone."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .servers import program
from .targets import Target

NUMBER = "NUMBER"  # stands for an object's number in a path

_DIGITS = 10
_STEP_BYTES = 1024 * 1024
_FILL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Run:
    """One run of many clients."""

    seconds: float
    requests: int
    received: int
    p99_seconds: float


def upload(target: Target, key: str, source: Path) -> float:
    """Put the file `source`, and return the seconds it took. Raises `RuntimeError` when it is refused."""
    request, size, began = target.put(key), source.stat().st_size, time.perf_counter()
    with closing(target.connect()) as connection, open(source, "rb") as content:
        connection.putrequest(request.method, request.path)
        length = len(request.before) + size + len(request.after)
        for name, value in {**request.headers, "Content-Length": str(length)}.items():
            connection.putheader(name, value)
        connection.endheaders(request.before or None)
        connection.sock.sendfile(content)
        if request.after:
            connection.send(request.after)
        target.accepted(request, connection.getresponse()).read()
        return time.perf_counter() - began


def download(target: Target, key: str, size: int) -> float:
    """Get an object, and return the seconds it took. Raises `RuntimeError` when it does not have `size` bytes."""
    request, began = target.get(key), time.perf_counter()
    with closing(target.connect()) as connection:
        connection.connect()
        sock = connection.sock  # the connection drops it when the response is to be the last one
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = target.accepted(request, connection.getresponse())
        received = len(response.read(min(size, len(response.fp.peek()))))  # it came with the header
        _discard(sock, size - received)
        seconds = time.perf_counter() - began
    if response.headers.get("Content-Length") != str(size):
        raise RuntimeError(f"{target.name} sent {response.headers.get('Content-Length')} bytes of {key}, not {size}.")
    return seconds


def first_byte(target: Target, key: str) -> float:
    """Return the seconds from before a new connection to the first byte of the object."""
    request = target.get(key)
    began = time.perf_counter()
    with closing(target.connect()) as connection:
        connection.request(request.method, request.path, headers=dict(request.headers))
        target.accepted(request, connection.getresponse()).read(1)
        return time.perf_counter() - began


def _discard(sock: socket.socket, size: int) -> None:
    """Receive `size` bytes, which the kernel discards without a copy (tcp(7), MSG_TRUNC)."""
    unused = bytearray(_STEP_BYTES)
    while size > 0:
        received = sock.recv_into(unused, min(size, _STEP_BYTES), socket.MSG_TRUNC)
        if received == 0:
            raise RuntimeError(f"A download ended {size} bytes early.")
        size -= received


def content(number: int, size: int) -> bytes:
    """Return the bytes of a small object. No two objects are equal."""
    return f"{number:0{_DIGITS}d}".encode().ljust(size, b"x")


def numbered(folder: str, number: int) -> str:
    return f"{folder}/{number:0{_DIGITS}d}"


def fill(target: Target, folder: str, *, size: int, clients: int, count: int) -> None:
    """Put `count` objects, numbered from 1, below `folder`. Raises `RuntimeError` when one is refused."""
    said = _wrk(target, _new_objects(target, folder, size, 1) | {"enough": count}, clients, _FILL_SECONDS)
    if said.split()[-1:] != ["filled"]:
        raise RuntimeError(f"{target.name} did not take {count} objects:\n{said}")


def put_new(target: Target, folder: str, *, size: int, clients: int, seconds: int, first: int) -> Run:
    """Put new objects below `folder`, numbered from `first` + 1: wrk tries its script once without sending."""
    return _run(target, _new_objects(target, folder, size, first), clients, seconds)


def get_often(target: Target, keys: Sequence[str], *, size: int, clients: int, seconds: int) -> Run:
    """Get these objects over and over. Raises `RuntimeError` when bytes are missing."""
    requests = [target.get(key) for key in keys]
    wanted = {"paths": [request.path for request in requests], "headers": requests[0].headers}
    run = _run(target, wanted, clients, seconds)
    if run.received < run.requests * size:
        raise RuntimeError(f"{target.name} sent {run.received} bytes for {run.requests} objects of {size}.")
    return run


def _new_objects(target: Target, folder: str, size: int, first: int) -> dict[str, object]:
    request = target.put(f"{folder}/{NUMBER}")
    wanted = {"first": first, "method": request.method, "path": request.path, "headers": request.headers}
    return wanted | {"before": request.before, "filler": b"x" * (size - _DIGITS), "after": request.after}


def _run(target: Target, wanted: object, clients: int, seconds: int) -> Run:
    """Raise `RuntimeError` when a request was refused or dropped."""
    said = _wrk(target, wanted, clients, seconds)
    last = said.splitlines()[-1].split() if said.strip() else []
    if last[:1] != ["figures"]:
        raise RuntimeError(f"wrk failed with {target.name}:\n{said}")
    microseconds, requests, received, errors, p99 = map(int, last[1:])
    if errors or not requests:
        raise RuntimeError(f"{target.name} answered {requests} requests, and refused or dropped {errors}:\n{said}")
    return Run(microseconds / 1e6, requests, received, p99 / 1e6)


def _wrk(target: Target, wanted: object, clients: int, seconds: int) -> str:
    """Run wrk, a client in C: clients in Python would take the servers' cores. Returns its output."""
    script = str(Path(__file__).with_name("wrk.lua"))
    options = {"threads": 1, "connections": clients, "duration": f"{seconds}s", "timeout": "30s", "script": script}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as data:
        data.write(f"return {_lua(wanted)}")
        data.flush()
        command = [program("wrk"), *(f"--{name}={value}" for name, value in options.items())]
        command += [f"http://{target.host}:{target.port}", data.name]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout + said.stderr


def _lua(value: object) -> str:
    """Write a value as a Lua literal."""
    if isinstance(value, str | bytes):
        return '"' + "".join(f"\\{byte:03d}" for byte in (value if isinstance(value, bytes) else value.encode())) + '"'
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{_lua(name)}]={_lua(each)}" for name, each in value.items()) + "}"
    return "{" + ",".join(map(_lua, value)) + "}" if isinstance(value, list) else str(value)
