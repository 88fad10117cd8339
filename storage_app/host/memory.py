"""Memory: what the C library keeps for the next allocation, and what a process that ends leaves to the kernel."""

import atexit
import ctypes
import gc


def end_without_collection() -> None:
    """Let this process and its forks end without garbage collections.

    The interpreter collects several times as it ends, which takes a third of a second of processor time here. The
    kernel takes all memory back anyway.
    """
    atexit.register(gc.freeze)


def release_free_memory() -> None:
    """Return free memory at the end and in the middle of every heap to the kernel, where the C library is glibc.

    After a burst of large answers, each thread's heap keeps what they took (malloc_trim(3)).
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
