"""strace: which system calls of a process change the disk, and a fault at one of them."""

import re
import select
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.victims import Victim

SECONDS = 60

NAMES_CHANGED = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")
LINKED = ("link", "linkat", "symlink", "symlinkat")
OPENED = ("open", "openat", "creat")
WRITTEN = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice")
SIZED = ("truncate", "ftruncate", "fallocate")
SYNCED = ("fsync", "fdatasync", "sync_file_range", "msync")
# To and from a database server: a process that ends before it hears of its COMMIT has made it.
SENT = ("sendto", "recvfrom")
DESCRIBED = ("chmod", "fchmod", "fchmodat", "utimensat", "fsetxattr")
CLOSED = ("close",)
# A question mark: not every machine has every one.
EVERY = ",".join(
    f"?{name}" for name in NAMES_CHANGED + LINKED + OPENED + WRITTEN + SIZED + SYNCED + SENT + DESCRIBED + CLOSED
)

LINE = re.compile(r"^(?:\d+ +)?(?P<name>\w+)\((?P<arguments>.*)$")


@dataclass(frozen=True, slots=True)
class Call:
    """The `number`th call of its name that an operation makes. `what` shows its arguments, relative to the store."""

    name: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.name} {self.number} ({self.what})"

    @property
    def names(self) -> bool:
        """Whether it makes, moves or removes a name."""
        return self.name in NAMES_CHANGED + LINKED

    @property
    def of_index(self) -> bool:
        return ".system/index.sqlite3" in self.what or self.name in SENT

    @property
    def may_fail(self) -> bool:
        """Whether it can fail alone. A socket that cannot be sent to is at its end; one that can, libpq waits for."""
        return self.name != "sendto"

    @property
    def may_kill(self) -> bool:
        """Whether a kill before it is another than one before the next call."""
        return self.name not in CLOSED

    def killed(self) -> str:
        """The fault that ends the process before this call."""
        return f"inject={self.name}:signal=SIGKILL:when={self.number}"

    def failing(self, error: str, *, times: int = 1) -> str:
        """The fault that refuses this call, and those of its name that follow, `times` in all."""
        return f"inject={self.name}:error={error}:when={self.number}..{self.number + times - 1}"


@contextmanager
def traced(pid: int, *, fault: str | None = None, log: Path | None = None) -> Iterator[None]:
    """Trace the process while the body runs, with a fault or writing its calls down."""
    chosen = ["-e", f"trace={EVERY}"] if fault is None else ["-e", f"trace={_name(fault)}", "-e", fault]
    command = ["strace", "-f", "-y", "-s", "0", *chosen, "-e", "signal=none", "-o", str(log or "/dev/null")]
    tracer = subprocess.Popen([*command, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr
    try:
        _wait_until_attached(tracer)
        yield
    finally:
        tracer.terminate()  # it detaches first
        tracer.wait(SECONDS)
        tracer.stderr.close()


def _name(fault: str) -> str:
    return fault.removeprefix("inject=").split(":")[0]


def _wait_until_attached(tracer: subprocess.Popen[bytes]) -> None:
    assert tracer.stderr
    if not select.select([tracer.stderr], [], [], SECONDS)[0]:
        raise TimeoutError(f"strace said nothing for {SECONDS} s")
    said = tracer.stderr.readline().decode()
    if "attached" not in said:
        raise RuntimeError(f"strace could not attach: {said}")


def changes(log: Path, root: Path) -> list[Call]:
    """Read from a log the calls that may change what lies under `root`, in their order."""
    counted: Counter[str] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        # Counted whatever it is about, because strace counts so, too.
        counted[match["name"]] += 1
        if match["name"] in SENT or (str(root) in line and (match["name"] not in OPENED or "O_CREAT" in line)):
            what = match["arguments"].replace(f"{root}/", "")
            found.append(Call(match["name"], counted[match["name"]], what))
    return found


def reason_not_to_trace() -> str | None:
    """Say what keeps this machine from tracing; None: nothing does."""
    if shutil.which("strace") is None:
        return "install strace"
    try:
        with Victim(lambda: lambda _: list) as victim:
            victim.wait_until_ready()
            with traced(victim.pid):
                victim.run()
    except RuntimeError as error:
        return f"let this user trace processes (ptrace): {error}"
    return None
