"""The memory of servers: what they hold when idle, and how it grows while large objects go in and out."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from .lineup import for_memory, started
from .load import large, small
from .measures import SMALL_BYTES, Material
from .resources import MIB, memory_mib
from .results import Sample
from .targets import Target, ask, check

_AT_ONCE = 4
_WARMING_REQUESTS = 20  # so many that every worker has served some
_LOOK_SECONDS = 0.05


def measure_all(folder: Path, material: Material) -> Mapping[str, Mapping[str, Sample]]:
    """Return MiB by way, by the name of the section; each server is started for it, and alone."""
    samples: dict[str, dict[str, Sample]] = {"memory-idle": {}, "memory-up": {}, "memory-down": {}}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for way, target in for_memory(Path(place)).items():
            with started([target]):
                for name, mib in measure(target, material).items():
                    samples[name][way] = Sample(mib)
    return samples


def measure(target: Target, material: Material) -> Mapping[str, float]:
    """Return MiB by the name of the section."""
    for number in range(_WARMING_REQUESTS):
        ask(target, target.put(f"warm/{number}"), small.content(number, SMALL_BYTES))
        ask(target, target.get(f"warm/{number}"))
    idle = memory_mib(target.servers)
    ask(target, target.put("memory/first"), b"first")  # rclone fails where several at once make one folder
    keys = [f"memory/{number}" for number in range(_AT_ONCE)]
    up = _most(target, [partial(large.upload, target, key, material.large) for key in keys])
    down = _most(target, [partial(large.download, target, key, material.scale.large * MIB) for key in keys])
    for key in keys:
        check(target, key, material.large_sha256)
    return {"memory-idle": idle, "memory-up": max(0, up - idle), "memory-down": max(0, down - idle)}


def _most(target: Target, transfers: Sequence[Callable[[], object]]) -> float:
    """Run the transfers at the same time; return the most MiB meanwhile and right after."""
    most = 0.0
    with ThreadPoolExecutor(len(transfers)) as pool:
        running = [pool.submit(transfer) for transfer in transfers]
        while True:
            most = max(most, memory_mib(target.servers))
            if not wait(running, _LOOK_SECONDS).not_done:
                break
    for transfer in running:
        transfer.result()
    return max(most, memory_mib(target.servers))
