"""Memory that the C library keeps for the next allocation."""

import ctypes


def release_free_memory() -> None:
    """Return free memory at the end and in the middle of every heap to the kernel, where the C library is glibc.

    After a burst of large answers, each thread's heap keeps what they took (malloc_trim(3)).
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
