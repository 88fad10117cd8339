"""Storage of blobs and sidecars: the port (`base`), and the stores that implement it."""

from .base import BlobStore, DamagedRecord, Inventory, NginxPath, StagedBlob, StagedSidecar
from .factory import open_store
from .names import key_hash, new_blob_name

__all__ = [
    "BlobStore",
    "DamagedRecord",
    "Inventory",
    "NginxPath",
    "StagedBlob",
    "StagedSidecar",
    "key_hash",
    "new_blob_name",
    "open_store",
]
