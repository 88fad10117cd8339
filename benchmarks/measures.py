"""The measurements of one target. Each compares the stored bytes by hash, outside the timed part."""

import hashlib
import itertools
import mmap
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import load
from .results import Sample
from .targets import Target

MIB = 1024 * 1024
SMALL_BYTES = 10 * 1024
SMALL_CLIENTS = 16
FIRST_MEASURED = 1_000_000  # number of an object; the objects that fill the folder have lower ones

_TOUCHED = 16  # times the size of a large object, of free memory before an upload
_CHECKED = 20  # of the small objects
_AT_ONCE = 4  # transfers while memory is measured
_WARMING_REQUESTS = 20  # enough to reach every worker
_POLL_SECONDS = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `large` and `huge` are in MiB, `seconds` is the time that wrk runs.

    `kept` small objects are downloaded; `present` ones lie in a folder before uploads into it are measured.
    """

    rounds: int = 5
    brief_rounds: int = 11
    memory_rounds: int = 5
    large: int = 256
    huge: int = 1024
    seconds: int = 3
    first_bytes: int = 50
    kept: int = 100
    present: int = 10_000


FULL = Scale()
QUICK = Scale(
    rounds=2, brief_rounds=4, memory_rounds=1, large=64, huge=64, seconds=1, first_bytes=20, kept=20, present=3_000
)


@dataclass(frozen=True, slots=True)
class Material:
    """What is sent: a file of random bytes, and a longer one of zeros. `turns` numbers new keys."""

    scale: Scale
    large: Path
    sha256: str
    huge: Path
    turns: Iterator[int] = field(default_factory=itertools.count)
    kept: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def make(cls, folder: Path, scale: Scale) -> "Material":
        content = os.urandom(scale.large * MIB)
        (folder / "large").write_bytes(content)
        (folder / "huge").touch()
        os.truncate(folder / "huge", scale.huge * MIB)
        return cls(scale, folder / "large", hashlib.sha256(content).hexdigest(), folder / "huge")

    def is_new(self, target: Target, key: str) -> bool:
        """Whether this target has not been given the object yet; it counts as given from now on."""
        is_new = (target.name, key) not in self.kept
        self.kept.add((target.name, key))
        return is_new


def large_up(target: Target, material: Material) -> Sample:
    """Measure the MiB a second of an upload."""
    key = f"large/{next(material.turns)}"
    touch_free_memory(material.scale.large * _TOUCHED)
    sample = _large(target, material, lambda: load.upload(target, key, material.large))
    target.check(key, material.sha256)
    target.ask(target.delete(key))
    return sample


def large_down(target: Target, material: Material) -> Sample:
    """Measure the MiB a second of a download."""
    if material.is_new(target, "kept/large"):
        load.upload(target, "kept/large", material.large)
        target.check("kept/large", material.sha256)
    return _large(target, material, lambda: load.download(target, "kept/large", material.scale.large * MIB))


def _large(target: Target, material: Material, transfer: Callable[[], float]) -> Sample:
    before, mebibytes = _cpu_seconds(target), material.scale.large
    seconds = transfer()
    cpu = _cpu_seconds(target) - before
    return Sample(mebibytes / seconds, 1024 * cpu / mebibytes if target.servers else None)


def first_byte(target: Target, material: Material) -> Sample:
    """Measure the milliseconds until the first byte of a long download."""
    if material.is_new(target, "kept/huge"):
        load.upload(target, "kept/huge", material.huge)
    times = [load.first_byte(target, "kept/huge") for _ in range(material.scale.first_bytes)]
    return Sample(1000 * statistics.median(times))


def small_up(target: Target, material: Material) -> Sample:
    """Measure the uploads a second of 16 clients, into a folder that is in use."""
    folder, scale = f"small/{next(material.turns)}", material.scale
    # Create the folder: when several clients do at once, rclone answers 500.
    target.ask(target.put(f"{folder}/first"), b"first")
    load.fill(target, folder, size=SMALL_BYTES, clients=SMALL_CLIENTS, count=scale.present)
    touch_free_memory(scale.large * _TOUCHED)
    put = partial(load.put_new, target, folder, size=SMALL_BYTES, clients=SMALL_CLIENTS, first=FIRST_MEASURED)
    sample, requests = _small(target, lambda: put(seconds=scale.seconds))
    # The end of the run may have cut off the last ones.
    whole = max(1, requests - 2 * SMALL_CLIENTS)
    for number in range(FIRST_MEASURED + 1, FIRST_MEASURED + 1 + whole, max(1, whole // _CHECKED)):
        _check_small(target, load.numbered(folder, number), number)
    return sample


def small_down(target: Target, material: Material, *, clients: int) -> Sample:
    """Measure the downloads a second."""
    keys = [load.numbered("kept", number) for number in range(material.scale.kept)]
    for number, key in enumerate(keys):
        if material.is_new(target, key):
            target.ask(target.put(key), load.content(number, SMALL_BYTES))
            _check_small(target, key, number)
    get = partial(load.get_often, target, keys, size=SMALL_BYTES, clients=clients)
    return _small(target, lambda: get(seconds=material.scale.seconds))[0]


def _small(target: Target, run_load: Callable[[], load.Run]) -> tuple[Sample, int]:
    before = _cpu_seconds(target)
    run = run_load()
    cpu = _cpu_seconds(target) - before
    cpu_ms = 1000 * cpu / run.requests if target.servers else None
    return Sample(run.requests / run.seconds, cpu_ms, 1000 * run.p99_seconds), run.requests


def _check_small(target: Target, key: str, number: int) -> None:
    target.check(key, hashlib.sha256(load.content(number, SMALL_BYTES)).hexdigest())


def _cpu_seconds(target: Target) -> float:
    return sum(server.cpu_seconds() for server in target.servers)


# By section.
MEASURES: Mapping[str, Callable[[Target, Material], Sample]] = {
    "large-up": large_up,
    "large-down": large_down,
    "first-byte": first_byte,
    "small-up": small_up,
    "small-down-16": partial(small_down, clients=16),
    "small-down-64": partial(small_down, clients=64),
}


def memory(target: Target, material: Material) -> Mapping[str, Sample]:
    """Return MiB by section: idle, and the growth while large objects go up and down. Its servers are new."""
    for number in range(_WARMING_REQUESTS):
        target.ask(target.put(f"warm/{number}"), load.content(number, SMALL_BYTES))
        target.ask(target.get(f"warm/{number}"))
    idle = _memory_mib(target)
    target.ask(target.put("memory/first"), b"first")
    keys = [f"memory/{number}" for number in range(_AT_ONCE)]
    up = _most(target, [partial(load.upload, target, key, material.large) for key in keys])
    down = _most(target, [partial(load.download, target, key, material.scale.large * MIB) for key in keys])
    for key in keys:
        target.check(key, material.sha256)
    growths = [Sample(max(0, most - idle)) for most in (up, down)]
    return {"memory-idle": Sample(idle), "memory-up": growths[0], "memory-down": growths[1]}


def _most(target: Target, transfers: Sequence[Callable[[], object]]) -> float:
    """Run the transfers at once; return the most MiB during them and right after."""
    most = 0.0
    with ThreadPoolExecutor(len(transfers)) as pool:
        running = [pool.submit(transfer) for transfer in transfers]
        while wait(running, _POLL_SECONDS).not_done:
            most = max(most, _memory_mib(target))
    for transfer in running:
        transfer.result()
    return max(most, _memory_mib(target))


def _memory_mib(target: Target) -> float:
    return sum(server.memory_mib() for server in target.servers)


def touch_free_memory(mebibytes: int) -> None:
    """Use that much free memory once, at most half of it, so that a virtual machine has it from its host.

    A host that returns memory page by page would otherwise dominate what is measured.
    """
    if _CGROUP_LIMIT.exists() and _CGROUP_LIMIT.read_text().strip() != "max":
        return
    free = _PAGE_BYTES * os.sysconf("SC_AVPHYS_PAGES")
    with mmap.mmap(-1, min(free // 2, mebibytes * MIB)) as memory:
        with suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[::_PAGE_BYTES] = bytes(-(-len(memory) // _PAGE_BYTES))
