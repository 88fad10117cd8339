"""A store by itself: short ways to use it through its port, and to look at what lies on a filesystem store's disk."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage_app.blobstore import DamagedRecord, Inventory, StagedBlob, key_hash, new_blob_name
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from tests.support.core import a_bucket, a_file

BUCKET = a_bucket()


class BrokenStreamError(Exception):
    """A source that did not give what it promised."""


def staged(store: FilesystemStore) -> list[Path]:
    return list((store.root / ".system" / "staging" / "me").iterdir())


def put(store: Inventory, key: str = "cat.jpg", data: bytes = b"abc", bucket: Bucket = BUCKET, **fields: Any) -> File:
    """Write a file whole; its record stays staged when it cannot be placed. Other fields are the record's."""
    blob_name = fields.pop("blob", None) or new_blob_name(key)
    file = a_file(key, **{"bucket_uid": bucket.uid, "blob": blob_name, "size": len(data)} | fields)
    with store.stage(bucket) as blob:
        blob.write(data)
        store.place(bucket, store.stage_sidecar(bucket, file, blob), blob)
    store.sync(bucket, key)
    return file


def receive(
    store: Inventory,
    pieces: Iterable[Any],
    *,
    key: str = "cat.jpg",
    promised: int | None = None,
    bucket: Bucket = BUCKET,
    blob_name: str | None = None,
) -> File:
    """Write a file from a stream, as the services do: what cannot be placed is discarded.

    Raises `BrokenStreamError` when the stream has not as many bytes as were promised.
    """
    size, digest = 0, hashlib.sha256()
    with store.stage(bucket) as blob:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            assert blob.write(piece) == len(piece)
        if promised not in (None, size):
            raise BrokenStreamError
        named = {"bucket_uid": bucket.uid, "blob": blob_name or new_blob_name(key)}
        file = a_file(key, size=size, sha256=digest.hexdigest(), **named)
        with store.stage_sidecar(bucket, file, blob) as sidecar:
            store.place(bucket, sidecar, blob)
    store.sync(bucket, key)
    return file


def copy(
    store: Inventory, file: File, key: str, *, to: Bucket = BUCKET, source: Bucket = BUCKET, shared: bool = True
) -> File:
    """Make a copy of `file`, which is in the bucket `source`, at `key`, as the services do."""
    copied = replace(file, bucket_uid=to.uid, key=key, blob=new_blob_name(key))
    begun = store.share(to, source, file.blob) if shared else None
    with begun or appended(store, to, source, file) as blob, store.stage_sidecar(to, copied, blob) as sidecar:
        store.place(to, sidecar, blob)
    store.sync(to, key)
    return copied


def appended(store: Inventory, bucket: Bucket, source: Bucket, file: File) -> StagedBlob:
    """Stage the bytes of `file` again, a few at a time."""
    blob = store.stage(bucket)
    with store.open(source, file.blob) as opened:
        while blob.append(opened, 1000):
            pass
    return blob


def edit(store: Inventory, file: File, bucket: Bucket = BUCKET) -> File:
    """Make `file` the record of its key, without bytes."""
    with store.stage_sidecar(bucket, file) as sidecar:
        store.place(bucket, sidecar, None)
    store.sync(bucket, file.key)
    return file


def content(store: Inventory, file: File, bucket: Bucket = BUCKET) -> bytes:
    with store.open(bucket, file.blob) as blob:
        return blob.read()


def listed(store: Inventory, bucket: Bucket = BUCKET) -> list[File]:
    """Every record of `bucket`, by key; none of them may be damaged."""
    files: list[File] = []
    for file in store.files(bucket):
        assert not isinstance(file, DamagedRecord), file
        files.append(file)
    return sorted(files, key=lambda file: file.key)


def collect(store: Inventory, *removed: File, bucket: Bucket = BUCKET) -> None:
    """Remove what was replaced, the bytes of files that were removed, and removed buckets."""
    for _, blob in list(store.replaced_blobs(bucket)):
        store.delete_blob(bucket, blob)
    for file in removed:
        store.delete_blob(bucket, file.blob)
    for uid in list(store.removed_buckets()):
        purge(store, uid)


def purge(store: Inventory, uid: str) -> None:
    """Free the space of a removed bucket at once."""
    for _ in store.purge_bucket(uid):
        pass


def sidecar_of(store: FilesystemStore, key: str) -> Path:
    return store.root / "photos" / key_hash(key)[:2] / f"{key_hash(key)}.json"


def unexplained(store: FilesystemStore) -> Iterator[Path]:
    """Whatever lies in the store and is neither a record nor the bytes that one names."""
    buckets = [bucket for bucket in store.buckets() if isinstance(bucket, Bucket)]
    explained = {store.root / bucket.name / ".bucket.json" for bucket in buckets}
    for bucket in buckets:
        for file in listed(store, bucket):
            folder = store.root / bucket.name / key_hash(file.key)[:2]
            explained |= {folder / f"{key_hash(file.key)}.json", folder / file.blob}
    return (path for path in store.root.rglob("*") if not path.is_dir() and path not in explained)
