"""Names on disk. They follow from a key, and the only text of it that they contain is a reduced slug."""

import hashlib
import re
import secrets
import time
from functools import lru_cache

BLOB_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{20}-[a-z0-9._-]*")
MAX_SLUG_CHARACTERS = 64
MAX_EXTENSION_CHARACTERS = 16


@lru_cache(maxsize=1024)  # an upload needs the hash of its key five times
def key_hash(key: str) -> str:
    """Return the hash that the names of a key's sidecar and blobs begin with: 128 bits of SHA-256, hex."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def key_hash_of(blob: str) -> str:
    """Return the hash of the key from the name of a blob."""
    return blob.partition("-")[0]


def new_blob_name(key: str) -> str:
    """Return a name for a new blob of `key`: hash, generation, slug. It is unique, and sorts by time within a key."""
    return f"{key_hash(key)}-{new_generation()}-{_slug(key)}"


def new_generation() -> str:
    """Return a new generation in hex: 12 digits of milliseconds, by which generations sort, and 8 random digits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"


def _slug(key: str) -> str:
    """Return the key's last segment reduced to `[a-z0-9._-]`, with its extension. It may be empty."""
    segment = key.rpartition("/")[2].lower()
    stem, dot, extension = segment.rpartition(".")
    if not dot or not stem or len(extension) > MAX_EXTENSION_CHARACTERS:
        stem, dot, extension = segment, "", ""
    extension = dot + re.sub(r"[^a-z0-9_-]+", "", extension)
    stem = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-")
    return (stem[: MAX_SLUG_CHARACTERS - len(extension)] + extension).strip(".-") or ""
