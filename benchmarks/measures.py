"""The measurements of one target: each checks by hash, outside the timed part, that the bytes were the right ones."""

import hashlib
import itertools
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .load import large, small
from .resources import MIB, cpu_seconds, touch_free_memory
from .results import Sample
from .targets import Target, ask, check

SMALL_BYTES = 10 * 1024
SMALL_CLIENTS = 16
FIRST_MEASURED = 1_000_001  # number of an object; those that were present before have lower ones

_TOUCHED = 16  # times as much memory as a large object has is used before an upload
_CHECKED = 5  # of the objects that wrk has put


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `large` and `huge` are MiB, `seconds` how long wrk runs, `kept` objects are downloaded.

    `present` objects lie in a folder before small uploads into it are measured. Brief sections have `brief_rounds`.
    """

    rounds: int
    brief_rounds: int
    memory_rounds: int
    large: int
    huge: int
    seconds: int
    first_bytes: int
    kept: int
    present: int

    @property
    def sizes(self) -> Mapping[str, int]:
        return {"large": self.large, "huge": self.huge, "present": self.present}


FULL = Scale(
    rounds=5,
    brief_rounds=11,
    memory_rounds=5,
    large=256,
    huge=1024,
    seconds=3,
    first_bytes=50,
    kept=100,
    present=10_000,
)
QUICK = Scale(
    rounds=2,
    brief_rounds=4,
    memory_rounds=1,
    large=64,
    huge=64,
    seconds=1,
    first_bytes=20,
    kept=20,
    present=3_000,
)


@dataclass(frozen=True, slots=True)
class Material:
    """What is sent: a file of random bytes, and a longer one of nothing. `turns` gives keys that were not used yet."""

    scale: Scale
    large: Path
    large_sha256: str
    huge: Path
    turns: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def make(cls, folder: Path, scale: Scale) -> "Material":
        content = os.urandom(scale.large * MIB)
        (folder / "large").write_bytes(content)
        (folder / "huge").touch()
        os.truncate(folder / "huge", scale.huge * MIB)
        return cls(scale, folder / "large", hashlib.sha256(content).hexdigest(), folder / "huge")


def large_up(target: Target, material: Material) -> Sample:
    """Measure MiB a second of an upload."""
    key = f"large/{next(material.turns)}"
    touch_free_memory(material.scale.large * _TOUCHED)
    with _metered(target) as meter:
        timing = large.upload(target, key, material.large)
    check(target, key, material.large_sha256)
    ask(target, target.delete(key))
    return meter.sample(material, timing)


def large_down(target: Target, material: Material) -> Sample:
    """Measure MiB a second of a download."""
    with _metered(target) as meter:
        timing = large.download(target, "kept/large", material.scale.large * MIB)
    return meter.sample(material, timing)


def first_byte(target: Target, material: Material) -> Sample:
    """Measure the milliseconds until the first byte of a long download comes."""
    request = target.get("kept/huge")
    times = [large.first_byte(target, request) for _ in range(material.scale.first_bytes)]
    return Sample(1000 * statistics.median(times))


def small_up(target: Target, material: Material) -> Sample:
    """Measure the uploads a second of 16 clients, into a folder that is in use."""
    return _into_folder(target, material, present=material.scale.present)


def small_up_new(target: Target, material: Material) -> Sample:
    """Measure the same into a new folder."""
    return _into_folder(target, material, present=0)


def _into_folder(target: Target, material: Material, *, present: int) -> Sample:
    folder = f"small/{next(material.turns)}"
    # The folder is there then: clients that make it at the same time make rclone answer 500.
    ask(target, target.put(f"{folder}/first"), small.content(0, SMALL_BYTES))
    if present:
        small.fill(target, folder, size=SMALL_BYTES, clients=SMALL_CLIENTS, count=present)
    touch_free_memory(material.scale.large * _TOUCHED)
    with _metered(target) as meter:
        run = small.put_new(
            target,
            folder,
            size=SMALL_BYTES,
            clients=SMALL_CLIENTS,
            seconds=material.scale.seconds,
            first=FIRST_MEASURED,
        )
    _check_small(target, folder, run.requests)
    return meter.sample_of_small(run)


def small_down(clients: int) -> Callable[[Target, Material], Sample]:
    """Measure the downloads a second of so many clients."""

    def measure(target: Target, material: Material) -> Sample:
        keys = [kept_key(number) for number in range(material.scale.kept)]
        with _metered(target) as meter:
            run = small.get_often(target, keys, size=SMALL_BYTES, clients=clients, seconds=material.scale.seconds)
        return meter.sample_of_small(run)

    return measure


# By the name of the section.
MEASURES: Mapping[str, Callable[[Target, Material], Sample]] = {
    "large-up": large_up,
    "large-down": large_down,
    "first-byte": first_byte,
    "small-up": small_up,
    "small-up-new": small_up_new,
    "small-down-16": small_down(16),
    "small-down-64": small_down(64),
}


def keep_large(target: Target, material: Material) -> None:
    large.upload(target, "kept/large", material.large)
    check(target, "kept/large", material.large_sha256)


def keep_huge(target: Target, material: Material) -> None:
    large.upload(target, "kept/huge", material.huge)


def keep_small(target: Target, material: Material) -> None:
    for number in range(material.scale.kept):
        content = small.content(number, SMALL_BYTES)
        ask(target, target.put(kept_key(number)), content)
        check(target, kept_key(number), hashlib.sha256(content).hexdigest())


# What must be there before a section is measured.
KEPT: Mapping[str, Callable[[Target, Material], None]] = {
    "large-down": keep_large,
    "first-byte": keep_huge,
    "small-down-16": keep_small,
    "small-down-64": keep_small,
}


def kept_key(number: int) -> str:
    return f"kept/small/{number}"


def _check_small(target: Target, folder: str, answered: int) -> None:
    """Raise `RuntimeError` when fewer of those measured are listed than were answered, or some are not as sent."""
    first = f"{folder}/{FIRST_MEASURED:010}"
    keys = [key for key in target.keys(folder) if key >= first and not key.endswith("/first")]
    if len(keys) < answered:
        raise RuntimeError(f"{target.name} lists {len(keys)} objects in {folder}, and answered {answered} uploads.")
    for key in keys[:: max(1, len(keys) // _CHECKED)]:
        number = int(key.rpartition("/")[2])
        check(target, key, hashlib.sha256(small.content(number, SMALL_BYTES)).hexdigest())


@dataclass(slots=True)
class _Meter:
    """The processor time that a target took; None where its processes are out of sight."""

    cpu_seconds: float | None = None

    def sample(self, material: Material, timing: large.Timing) -> Sample:
        gibibytes = material.scale.large / 1024
        return Sample(
            material.scale.large / timing.seconds,
            cpu=None if self.cpu_seconds is None else self.cpu_seconds / gibibytes,
            client=timing.own_cpu_seconds / timing.seconds,
        )

    def sample_of_small(self, run: small.Run) -> Sample:
        return Sample(
            run.requests / run.seconds,
            cpu=None if self.cpu_seconds is None else 1000 * self.cpu_seconds / run.requests,
            client=run.own_cpu_seconds / run.seconds,
            p99_ms=1000 * run.p99,
        )


@contextmanager
def _metered(target: Target) -> Iterator[_Meter]:
    meter, before = _Meter(), cpu_seconds(target.servers)
    yield meter
    if target.servers:
        meter.cpu_seconds = cpu_seconds(target.servers) - before
