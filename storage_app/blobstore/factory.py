"""The one place where a store is chosen and made."""

from pathlib import Path

from .base import Inventory
from .filesystem.store import FilesystemStore


def open_store(root: Path, *, process: str, durable: bool) -> Inventory:
    """Return the store at `root` for the process with this id. If `durable` is False, nothing is synced."""
    return FilesystemStore(root, process=process, durable=durable)
