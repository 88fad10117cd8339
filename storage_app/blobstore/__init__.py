"""Where bytes and their records are kept: the port (`base`) and the stores that fulfil it."""

from .base import BlobStore, DamagedRecord, StagedBlob, StagedSidecar
from .factory import open_store
from .names import key_hash, new_blob_name

__all__ = ["BlobStore", "DamagedRecord", "StagedBlob", "StagedSidecar", "key_hash", "new_blob_name", "open_store"]
