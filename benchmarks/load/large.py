"""One large object over one connection. The kernel moves the bytes, so that this process takes little of a core."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..targets import Request, Target, accepted, connect

_STEP_BYTES = 1024 * 1024


@dataclass(slots=True)
class Timing:
    """What a transfer took: seconds, and those of them that this process kept a core busy."""

    seconds: float = 0.0
    own_cpu_seconds: float = 0.0


def upload(target: Target, key: str, source: Path) -> Timing:
    """Put the file `source`. Raises `RuntimeError` when it is refused."""
    request, size = target.put(key), source.stat().st_size
    with closing(connect(target)) as connection, open(source, "rb") as content, _timed() as timing:
        connection.putrequest(request.method, request.path)
        length = len(request.before) + size + len(request.after)
        for name, value in {**request.headers, "Content-Length": str(length)}.items():
            connection.putheader(name, value)
        connection.endheaders(request.before or None)
        connection.sock.sendfile(content)
        if request.after:
            connection.send(request.after)
        accepted(target, request, connection.getresponse()).read()
    return timing


def download(target: Target, key: str, size: int) -> Timing:
    """Get an object of `size` bytes. Raises `RuntimeError` when it is refused or has another size."""
    request = target.get(key)
    with closing(connect(target)) as connection, _timed() as timing:
        connection.connect()
        sock = connection.sock  # the connection lets go of it when the answer is to be the last one
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = accepted(target, request, connection.getresponse())
        received = len(response.read(min(size, len(response.fp.peek()))))  # what came with the header
        _drop(sock, size - received)
    if response.headers.get("Content-Length") != str(size):
        raise RuntimeError(f"{target.name} gave {response.headers.get('Content-Length')} bytes of {key}, not {size}.")
    return timing


def first_byte(target: Target, request: Request) -> float:
    """Return the seconds from before a new connection to the first byte of the object."""
    began = time.perf_counter()
    with closing(connect(target)) as connection:
        connection.request(request.method, request.path, headers=dict(request.headers))
        accepted(target, request, connection.getresponse()).read(1)
        return time.perf_counter() - began


def _drop(sock: socket.socket, size: int) -> None:
    """Take `size` bytes; the kernel drops them uncopied (tcp(7), MSG_TRUNC). Raises `RuntimeError` when fewer come."""
    unused = bytearray(_STEP_BYTES)
    while size > 0:
        received = sock.recv_into(unused, min(size, _STEP_BYTES), socket.MSG_TRUNC)
        if received == 0:
            raise RuntimeError(f"A download ended {size} bytes early.")
        size -= received


@contextmanager
def _timed() -> Iterator[Timing]:
    timing = Timing()
    began, own = time.perf_counter(), time.process_time()
    yield timing
    timing.seconds = time.perf_counter() - began
    timing.own_cpu_seconds = time.process_time() - own
