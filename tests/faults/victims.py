"""Child processes that get ready, wait until they are traced, and then run an operation that may be their end.

Whoever forks them must have one thread and no open database: neither survives a fork.
"""

import ctypes
import json
import mmap
import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SECONDS = 60
READY, GO, DONE = b"r", b"g", b"d"
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
MAY_BE_TRACED_BY = 0x59616D61  # PR_SET_PTRACER, "Yama"
ANYBODY = ctypes.c_ulong(-1)

Answered = Callable[[], None]
# What a victim does: it is called to get ready, and what it returns is run. That gets what to call for each answer, and
# returns what is asked for complaints when nobody disturbs the victim any more.
Body = Callable[[], Callable[[Answered], Callable[[], list[str]]]]


class Victim:
    """A forked process. Use it as a context, which leaves nothing of it."""

    def __init__(self, body: Body) -> None:
        # Marked without a system call, so that marking cannot fail or be cut short.
        self._answers = mmap.mmap(-1, 1)
        # A socket, and `sendmsg` and `recvmsg`: no fault is put into these.
        self._line, line = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            self._live(body, line)
        line.close()
        self._status: int | None = None

    @property
    def answered(self) -> int:
        """How many of its answers it had sent."""
        return self._answers[0]

    def wait_until_ready(self) -> None:
        """Wait until it is ready to run; raises what kept it from it."""
        if self._hear() != READY:
            raise RuntimeError(f"a child could not get ready: {self._hear().decode()}")

    def run(self) -> bool:
        """Let it run; return whether it lives then, and waits to be asked."""
        self._line.sendmsg([GO])
        return self._hear() == DONE

    def end(self) -> tuple[int, list[str]]:
        """Ask for its complaints; return how it ended, as `os.waitstatus_to_exitcode` has it, and these."""
        with suppress(BrokenPipeError):
            self._line.sendmsg([GO])
        said = b"".join(iter(self._hear, b""))
        return self._reap(), json.loads(said or b"[]")

    def _hear(self) -> bytes:
        """Wait for what the child says; empty when it is gone."""
        if not select.select([self._line], [], [], SECONDS)[0]:
            raise TimeoutError(f"nothing was heard of the child for {SECONDS} s")
        with suppress(ConnectionResetError):
            return self._line.recvmsg(65536)[0]
        return b""

    def _reap(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def __enter__(self) -> "Victim":
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
        self._line.close()
        self._answers.close()

    def _answer(self) -> None:
        self._answers[0] += 1

    def _live(self, body: Body, line: socket.socket) -> None:
        """Be the child. Never returns, and leaves without closing anything."""
        try:
            _let_itself_be_traced()
            run = body()
            line.sendmsg([READY])
            line.recvmsg(1)[0]
            ask = run(self._answer)
            line.sendmsg([DONE])
            line.recvmsg(1)[0]
            line.sendmsg([json.dumps(ask()).encode()])
        except BaseException:  # noqa: BLE001  nothing may leave the child but by its end
            line.sendmsg([json.dumps([traceback.format_exc()]).encode()])
        finally:
            os._exit(0)


def _let_itself_be_traced() -> None:
    process = ctypes.CDLL(None, use_errno=True)
    process.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    process.prctl(MAY_BE_TRACED_BY, ANYBODY)  # fails where nobody asks for it
    # Nothing that the library around it prints is a call of the operation.
    with Path(os.devnull).open("r+b") as nowhere:
        for descriptor in (0, 1, 2):
            os.dup2(nowhere.fileno(), descriptor)
