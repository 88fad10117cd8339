"""Memory goes back to the kernel."""

import ctypes
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
