"""A filesystem store by itself: short ways to use it, and to look at what lies on the disk."""

from pathlib import Path

from storage_app.blobstore import FilesystemStore, key_hash, new_blob_name
from storage_app.domain import Bucket, File
from tests.support.core import a_bucket, a_file

BUCKET = a_bucket()


def staged(store: FilesystemStore) -> list[Path]:
    return list((store.root / ".system" / "staging" / "me").iterdir())


def put(store: FilesystemStore, key: str = "cat.jpg", data: bytes = b"abc", bucket: Bucket = BUCKET) -> File:
    file = a_file(key, bucket_uid=bucket.uid, blob=new_blob_name(key), size=len(data))
    with store.stage(bucket) as blob:
        blob.write(data)
        blob.seal()
        store.place(bucket, store.stage_sidecar(bucket, file), blob)
    store.settle(bucket, key)
    return file


def content(store: FilesystemStore, file: File, bucket: Bucket = BUCKET) -> bytes:
    with store.open(bucket, file.blob) as blob:
        return blob.read()


def sidecar_of(store: FilesystemStore, key: str) -> Path:
    return store.root / "photos" / key_hash(key)[:2] / f"{key_hash(key)}.json"
