"""Many clients that send and take bytes slowly, in one process of its own."""

import asyncio
import os
import socket
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from ..targets import Request

RATE = 20 * 1024  # bytes a second, of each client

_STEP_SECONDS = 0.5
_STEP_BYTES = int(RATE * _STEP_SECONDS)
_AGAIN_SECONDS = 1  # what a refusal says in Retry-After
_HEAD_BYTES = 4096
# A client far away does not take megabytes into its own buffers, either.
_RECEIVE_BUFFER = 16 * 1024


@dataclass(slots=True)
class Tally:
    """What became of the clients. `fed` downloads have got at least half of their rate."""

    answers: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    fed: int = 0
    seconds: float = 0.0
    own_cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many uploads and downloads at a time, all begun within `ramp` seconds, for `seconds` after that.

    Uploads are of `upload_bytes`, and one follows the other; downloads do not come to their end.
    """

    host: str
    port: int
    put: Request
    get: Request
    clients: int
    ramp: float
    seconds: float
    upload_bytes: int = RATE * 10

    def run(self, tally_to: Connection) -> None:
        """Run, and send the `Tally`; meant for a process of its own."""
        tally = Tally()
        began, own = time.monotonic(), time.process_time()
        asyncio.run(self._all(tally))
        tally.seconds, tally.own_cpu_seconds = time.monotonic() - began, time.process_time() - own
        tally_to.send(tally)

    async def _all(self, tally: Tally) -> None:
        tasks: list[asyncio.Task[None]] = []
        for number in range(self.clients):
            tasks.append(asyncio.create_task(self._upload_on(number, tally)))
            tasks.append(asyncio.create_task(self._download(tally)))
            await asyncio.sleep(self.ramp / self.clients)
        await asyncio.sleep(self.seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _upload_on(self, number: int, tally: Tally) -> None:
        """Upload one object after the other."""
        count = 0
        while True:
            path = self.put.path.replace("NUMBER", f"{number}-{count}")
            try:
                answer = await self._upload(path, tally)
            except OSError:
                answer = "broken"
            tally.answers[answer] += 1
            if not answer.startswith("2"):
                await asyncio.sleep(_AGAIN_SECONDS)
            count += 1

    async def _upload(self, path: str, tally: Tally) -> str:
        """Upload an object, and return the status of the answer."""
        with closing(await self._connected()) as sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, _head(self.put, path, f"Content-Length: {self.upload_bytes}"))
            answer = asyncio.create_task(loop.sock_recv(sock, _HEAD_BYTES))
            try:
                step, left = os.urandom(_STEP_BYTES), self.upload_bytes
                while left and not answer.done():  # it may be refused at any time
                    await loop.sock_sendall(sock, step[:left])
                    tally.sent += min(left, len(step))
                    left -= min(left, len(step))
                    await asyncio.sleep(_STEP_SECONDS)
                return _status(await answer)
            finally:
                answer.cancel()

    async def _download(self, tally: Tally) -> None:
        """Take an object for as long as the crowd is there."""
        began, received = time.monotonic(), 0
        try:
            with closing(await self._connected()) as sock, suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(sock, _head(self.get, self.get.path))
                while step := await _taken(sock):
                    received += step
                    tally.received += step
                    await asyncio.sleep(_STEP_SECONDS)
        finally:
            tally.fed += received >= RATE * (time.monotonic() - began) / 2

    async def _connected(self) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        except BaseException:
            sock.close()
            raise
        return sock


async def _taken(sock: socket.socket) -> int:
    """Take a step of bytes, or what is left; return how many they were."""
    left = _STEP_BYTES
    while left and (data := await asyncio.get_running_loop().sock_recv(sock, left)):
        left -= len(data)
    return _STEP_BYTES - left


def _head(request: Request, path: str, *more: str) -> bytes:
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([f"{request.method} {path} HTTP/1.1", "Host: localhost", *headers, *more, "", ""]).encode()


def _status(answer: bytes) -> str:
    """Return the status code of an answer, or that there was none."""
    parts = answer.split(None, 2)
    return parts[1].decode() if len(parts) > 1 else "broken"
