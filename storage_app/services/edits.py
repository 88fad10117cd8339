"""Changes of a file's attributes, by the rules for uploads."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..blobstore import BlobStore
from ..domain.buckets import Bucket
from ..domain.files import File, check_filename, check_metadata
from ..domain.text import quoted
from ..errors import DamagedFile
from ..media_types.sniffing import HEAD_BYTES
from .upload_rules import decide_content_type


def edited(file: File, changes: Mapping[str, Any], bucket: Bucket, read_head: Callable[[], bytes]) -> File:
    """Return `file` with `changes`: `metadata`, `content_type`, `filename` (None = the key), `cache_control`.

    `bucket` is the one that it is in, or is about to be in. `read_head` returns the first bytes of the file, which must
    not contradict a new content type. Raises `InvalidRequest`, `InvalidName` and `ContentTypeNotAllowed`.
    """
    checked = dict(changes)
    if "metadata" in changes:
        check_metadata(changes["metadata"])
    if "filename" in changes:
        checked["filename"] = file.key if changes["filename"] is None else check_filename(changes["filename"])
    if "content_type" in changes:
        checked["content_type"] = decide_content_type(bucket, changes["content_type"], read_head(), file.filename)
    return replace(file, **checked)


def head_of(store: BlobStore, bucket: Bucket, file: File) -> bytes:
    """Return the first bytes of `file`, which is in `bucket`. Raises `DamagedFile` if they are missing."""
    try:
        with store.open(bucket, file.blob) as blob:
            return blob.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise DamagedFile(f"The bytes of file {quoted(file.key)} are missing; ask the operator.") from error
