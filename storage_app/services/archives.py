"""Archives: the files below a prefix, as entries of one zip."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ..auth.permissions import Action
from ..auth.signed_urls import SignedArchive
from ..blobstore import BlobStore
from ..domain.buckets import Bucket, check_bucket_name
from ..domain.entry_names import entry_names
from ..domain.principals import Principal
from ..domain.text import quoted
from ..errors import FileNotFound, InvalidRequest, InvalidSignedUrl, Unavailable
from ..host.locks import Slots
from ..index import Index
from .lookups import Lookups

# An archive holds a few hundred bytes for each of its files in memory, until it was sent.
MAX_FILES = 50_000
# Of all processes of this host together. Each holds a thread until its client has it all.
_MAX_AT_ONCE = 8
_RETRY_SECONDS = 10
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of an archive: its name there, the blob that it had when the archive was asked for, its size in bytes."""

    name: str
    blob: str
    size: int
    modified: datetime


class Archives:
    """Lists and opens the files of archives."""

    def __init__(self, index: Index, store: BlobStore, lookups: Lookups, slots: Path) -> None:
        self._index = index
        self._store = store
        self._lookups = lookups
        self._slots = Slots(slots, _MAX_AT_ONCE, name="archive-", full=_too_many)

    def hold(self) -> AbstractContextManager[None]:
        """Hold one of the slots for archives in progress. Raises `Unavailable` if all are taken."""
        return self._slots.hold()

    def authorize(self, principal: Principal, bucket_name: str, prefix: str) -> Bucket:
        """Return the bucket. Raises unless `principal` may list it and some file begins with `prefix`."""
        bucket, _ = self._lookups.bucket(principal, bucket_name, Action.SEE_BUCKET)
        if not self._index.files_by_key(bucket.uid, prefix=prefix, start="", after=True, limit=1):
            raise _no_files(bucket_name, prefix)
        return bucket

    def authorize_signed(self, grant: SignedArchive, bucket_name: str) -> Bucket:
        """Return the bucket. Raises `InvalidSignedUrl` if it was deleted since the URL was signed."""
        found = self._index.bucket(check_bucket_name(bucket_name))
        if found is None or found[0].uid != grant.bucket_uid:
            raise InvalidSignedUrl(f"The signed URL is not for this bucket {quoted(bucket_name)}; ask for a new one.")
        return found[0]

    def files(self, bucket: Bucket, prefix: str) -> list[ArchivedFile]:
        """Return the files whose keys begin with `prefix`, as they are now, by key.

        Raises `FileNotFound` if there are none, and `InvalidRequest` if there are more than MAX_FILES.
        """
        keys, rest, last = [], [], ""
        while files := self._index.files_by_key(bucket.uid, prefix=prefix, start=last, after=True, limit=_BATCH):
            last = files[-1].key
            keys += [file.key for file in files]
            rest += [(file.blob, file.size, file.updated_at) for file in files]
            if len(keys) > MAX_FILES:
                raise InvalidRequest(f"An archive has at most {MAX_FILES:,} files; choose a longer prefix.")
        if not keys:
            raise _no_files(bucket.name, prefix)
        return [ArchivedFile(name, *each) for name, each in zip(entry_names(keys, prefix), rest, strict=True)]

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        """Open the bytes of a file. The caller closes them. Raises `FileNotFoundError` if they are gone."""
        return self._store.open(bucket, blob)


def _no_files(bucket_name: str, prefix: str) -> FileNotFound:
    return FileNotFound(bucket_name, f"{prefix}…")


def _too_many() -> Unavailable:
    return Unavailable(
        f"{_MAX_AT_ONCE} archives are being sent, and no more are at once; try again in a moment.",
        retry_after=_RETRY_SECONDS,
    )
