"""Memory goes back to the kernel, and a process that ends leaves it to the kernel."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.host.memory import release_free_memory


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="run on glibc")
def test_free_memory_goes_back() -> None:
    pieces = [bytearray(100_000) for _ in range(1_000)]
    kept = pieces[::50]  # keeps the heap from shrinking at its end
    before = resident_bytes()
    del pieces
    release_free_memory()
    assert resident_bytes() < before - 50_000_000
    assert len(kept) == 20


GARBAGE = """
import gc
from storage_app.host.memory import end_without_collection

class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("collected")

gc.disable()
Cycle()
"""


@pytest.mark.parametrize(("end", "printed"), [("", "collected\n"), ("end_without_collection()", "")])
def test_process_ends_without_collecting_garbage(end: str, printed: str) -> None:
    command = [sys.executable, "-c", GARBAGE + end]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == printed
