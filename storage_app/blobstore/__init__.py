"""Where bytes and their records are kept: the port (`base`) and the stores that fulfil it."""

from .base import BlobStore, DamagedRecord, StagedBlob, StagedSidecar
from .filesystem import FilesystemStore
from .names import key_hash, new_blob_name

__all__ = ["BlobStore", "DamagedRecord", "FilesystemStore", "StagedBlob", "StagedSidecar", "key_hash", "new_blob_name"]
