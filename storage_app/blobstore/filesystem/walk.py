"""Iteration over the directories of a store, in constant memory. Damaged records are yielded, not raised."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ...domain.buckets import Bucket
from ...domain.files import File
from ...domain.text import quoted
from ...host.files import scan
from ..base import DamagedRecord
from ..names import BLOB_NAME, key_hash, key_hash_of
from ..records import UnreadableRecord
from ..sidecars import load_bucket, load_file

BUCKET_RECORD = ".bucket.json"
SYSTEM = ".system"
# Every ext4 volume has this directory at its top.
_LOST_AND_FOUND = "lost+found"


def read_record(root: Path, name: str) -> Bucket:
    """Return the bucket that the record at `name` describes. Raises OSError and `UnreadableRecord`."""
    bucket = load_bucket((root / name / BUCKET_RECORD).read_bytes())
    if bucket.name != name:
        raise UnreadableRecord(f"it is the record of {bucket.name!r}")
    return bucket


def buckets(root: Path) -> Iterator[Bucket | DamagedRecord]:
    """Yield every bucket that has a record."""
    for entry in scan(root):
        if entry.name == SYSTEM or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            yield read_record(root, entry.name)
        except FileNotFoundError:
            continue
        except (UnreadableRecord, OSError) as error:
            yield DamagedRecord(f"{entry.name}/{BUCKET_RECORD}: {error}")


def linked_buckets(root: Path) -> Iterator[str]:
    """Yield the names of the links in `root` that lead to the directory of a bucket. They are not followed."""
    return (entry.name for entry in scan(root) if entry.is_symlink() and _has_record(entry))


def foreign(root: Path) -> Iterator[str]:
    """Yield the names of the directories in `root`, and of the links to some, that are no buckets."""
    known = (SYSTEM, _LOST_AND_FOUND)
    return (entry.name for entry in scan(root) if entry.is_dir() and entry.name not in known and not _has_record(entry))


def sidecars(directory: Path) -> Iterator[Path]:
    """Yield the paths of the sidecars of the bucket in `directory`."""
    for subdirectory in subdirectories(directory):
        for entry in scan(subdirectory):
            if entry.name.endswith(".json") and "-" not in entry.name:
                yield Path(entry.path)


def files(root: Path, bucket: Bucket) -> Iterator[File | DamagedRecord]:
    """Yield the files that the sidecars of `bucket` describe."""
    for path in sidecars(root / bucket.name):
        yield from _file_at(root, bucket, path)
    for name in _linked_subdirectories(root / bucket.name):
        yield DamagedRecord(f"{bucket.name}/{name}: it is a link to a directory, which is not followed")


def blobs(directory: Path) -> Iterator[str]:
    """Yield the names of the blobs of the bucket in `directory`."""
    for subdirectory in subdirectories(directory):
        for entry in scan(subdirectory):
            if BLOB_NAME.fullmatch(entry.name):
                yield entry.name


def replaced_blobs(root: Path, bucket: Bucket) -> Iterator[tuple[str, str]]:
    """Yield the key and name of each blob whose sidecar names another blob that exists."""
    for subdirectory in subdirectories(root / bucket.name):
        names = sorted(entry.name for entry in scan(subdirectory) if BLOB_NAME.fullmatch(entry.name))
        for hashed, versions in groupby(names, key=key_hash_of):
            yield from _replaced(root, bucket, Path(subdirectory) / f"{hashed}.json", list(versions))


def subdirectories(directory: Path) -> Iterator[str]:
    """Yield the paths of the subdirectories of the bucket in `directory`, which hold its files."""
    for entry in scan(directory):
        if entry.is_dir(follow_symlinks=False) and len(entry.name) == 2:
            yield entry.path


def _linked_subdirectories(directory: Path) -> Iterator[str]:
    return (entry.name for entry in scan(directory) if entry.is_symlink() and len(entry.name) == 2 and entry.is_dir())


def _has_record(entry: os.DirEntry[str]) -> bool:
    return os.path.lexists(f"{entry.path}/{BUCKET_RECORD}")


def _replaced(root: Path, bucket: Bucket, sidecar: Path, versions: list[str]) -> Iterator[tuple[str, str]]:
    if len(versions) < 2:
        return
    for file in _file_at(root, bucket, sidecar):
        if isinstance(file, File) and file.blob in versions:
            yield from ((file.key, version) for version in versions if version != file.blob)


def _file_at(root: Path, bucket: Bucket, path: Path) -> Iterator[File | DamagedRecord]:
    try:
        file = load_file(path.read_bytes())
    except FileNotFoundError:  # deleted since it was listed
        return
    except (UnreadableRecord, OSError) as error:
        yield DamagedRecord(f"{path.relative_to(root)}: {error}")
        return
    if path.stem != key_hash(file.key) or path.parent.name != path.stem[:2]:
        yield DamagedRecord(f"{path.relative_to(root)}: it is the record of {quoted(file.key)}")
    elif file.bucket_uid == bucket.uid:
        yield file
