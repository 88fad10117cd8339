"""The core without HTTP: a store on a real disk with its services, and what must hold of it whenever nothing runs."""

import atexit
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage_app.auth.signed_urls import SignedUpload
from storage_app.blobstore import DamagedRecord
from storage_app.domain.buckets import Bucket, Totals
from storage_app.domain.files import File
from storage_app.domain.intents import Intent, IntentKind
from storage_app.domain.principals import Principal, PrincipalKind
from storage_app.domain.uploads import DeclaredBody, FileAttributes, UploadRequest
from storage_app.host.layout import Layout
from storage_app.journal.file_log import FileLogs
from storage_app.maintenance import collect
from storage_app.maintenance import recover as maintenance
from storage_app.node import Services, Storage
from storage_app.services.upload_bodies import Write
from storage_app.services.uploads import Uploads
from storage_app.settings import load_settings

SECRET_KEY = "a-secret-key-for-tests-of-32-bytes-or-more"

ALICE = Principal(PrincipalKind.USER, "alice")  # owns the buckets of these tests
BOB = Principal(PrincipalKind.USER, "bob")
CAROL = Principal(PrincipalKind.USER, "carol")
SERVICE = Principal(PrincipalKind.SERVICE, "backend")

UNDESCRIBED = FileAttributes()
A_TIME = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def a_bucket(name: str = "photos", **fields: Any) -> Bucket:
    values: dict[str, Any] = {"uid": f"uid-of-{name}", "owner_id": "alice", "created_at": A_TIME, "updated_at": A_TIME}
    return Bucket(name=name, **values | fields)


def a_file(key: str = "a.txt", **fields: Any) -> File:
    values: dict[str, Any] = {
        "bucket_uid": "uid-of-photos",
        "blob": f"{hashlib.sha256(key.encode()).hexdigest()[:32]}-{'0' * 20}-",
        "filename": "a.txt",
        "content_type": "text/plain",
        "size": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "owner_id": "alice",
        "metadata": {},
        "cache_control": None,
        "created_at": A_TIME,
        "updated_at": A_TIME,
    }
    return File(key=key, **values | fields)


Meanwhile = Callable[[Write], object]


class Pieces:
    """A body that comes in pieces. `late` are the fields of the request that come with it."""

    def __init__(
        self, pieces: Sequence[bytes], meanwhile: Meanwhile, late: Mapping[str, Any], declared: DeclaredBody
    ) -> None:
        self._pieces = pieces
        self._meanwhile = meanwhile
        self._late = late
        self._declared = declared

    def declare(self) -> DeclaredBody:
        return self._declared

    def opened(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send_to(self, write: Write) -> None:
        for piece in self._pieces:
            assert write(piece) == len(piece)
        self._meanwhile(write)

    def complete(self, request: UploadRequest) -> UploadRequest:
        return replace(request, **self._late)


class Core:
    """A store's services as one process holds them, and short ways to use them."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.services: Services = storage.services
        self.index = self.services.index
        self.store = self.services.store
        self.commits = self.services.commits
        self.logs = self.services.logs
        self.recovery = self.services.recovery
        self.buckets = self.services.buckets
        self.files = self.services.files
        self.deletions = self.services.deletions
        self.archives = self.services.archives
        self.uploads: Uploads = self.services.uploads
        self.signing = self.services.signing
        self.resumables = self.services.resumables
        self.root = storage.settings.storage_path
        self.layout = Layout(self.root)

    def bucket(self, name: str = "photos", **settings: Any) -> Bucket:
        """Create a bucket of Alice's."""
        return self.buckets.create(ALICE, name, settings)[0]

    def put(
        self,
        key: str | None,
        data: bytes = b"abc",
        *,
        by: Principal | SignedUpload = ALICE,
        to: str = "photos",
        attributes: FileAttributes = UNDESCRIBED,
        **fields: Any,
    ) -> tuple[File, bool]:
        """Upload `data`, replacing what is there unless `overwrite` is False. For other fields see `send`."""
        fields = {"size": len(data), "overwrite": True} | fields
        return self.send(key, data, by=by, to=to, attributes=attributes, **fields)

    def send(
        self,
        key: str | None,
        *pieces: bytes,
        by: Principal | SignedUpload = ALICE,
        to: str = "photos",
        meanwhile: Meanwhile = lambda _: None,
        **fields: Any,
    ) -> tuple[File, bool]:
        """Upload `pieces`; `meanwhile` runs when they are all there. Other fields are the request's, or the body's."""
        declared = {name: fields.pop(name) for name in list(fields) if name in DeclaredBody.__dataclass_fields__}
        late = fields.pop("late", {})
        request = UploadRequest(to, key=key, **fields)
        return self.uploads.receive(by, request, Pieces(pieces, meanwhile, late, DeclaredBody(**declared)))

    def read(self, file: File, *, bucket: str = "photos") -> bytes:
        with self.files.open(self.buckets.get(ALICE, bucket)[0], file) as blob:
            return blob.read()

    def file(self, key: str, *, bucket: str = "photos") -> File | None:
        found = self.index.bucket(bucket)
        return None if found is None else self.index.file(found[0].uid, key)

    def totals(self, name: str = "photos") -> Totals:
        return self.buckets.get(SERVICE, name)[1]

    def collect(self) -> int:
        """Remove what was replaced or deleted up to now, as the background does a minute later."""
        return collect.collect(self.index, self.store, until=datetime.now(UTC))

    def intents(self) -> list[Intent]:
        """The intents of every process, in the index and in intent logs."""
        file_logs = FileLogs(self.layout.intents)
        with self.index.write() as transaction:
            in_index = transaction.intents()
        return in_index + [intent for process in file_logs.processes() for intent in file_logs.read(process)]

    def intent(self, kind: IntentKind, key: str, blob: str | None = None, *, process: str | None = None) -> Intent:
        """Write an intent on `key` down, of this process or another."""
        uid = self.buckets.get(SERVICE, "photos")[0].uid
        intent = Intent(process or self.commits.process, kind, uid, key, blob)
        with self.index.write() as transaction:
            transaction.add_intent(intent)
        return intent

    def staged(self) -> list[Path]:
        return [path for directory in self.layout.staging.iterdir() for path in directory.iterdir()]

    def empty(self) -> None:
        """Take everything away, without asking the code under test."""
        with self.index.write() as transaction:
            transaction.clear()
            transaction.complete()
        trash = self.layout.system / "trash"
        uploads = self.layout.resumable.iterdir()
        for path in [*self.staged(), *trash.iterdir(), *uploads, *self.root.iterdir()]:
            if path.is_file():
                path.unlink()
            elif path != self.layout.system:
                shutil.rmtree(path)

    def check(self) -> None:
        """Assert what must hold whenever nothing is in progress: the index agrees with the disk, nothing is left."""
        assert self.intents() == []
        assert self.staged() == []
        self.collect()
        assert list((self.layout.system / "trash").iterdir()) == []
        assert shown(self) == on_disk(self)
        assert blobs(self.root) == sorted(file.blob for _, files in shown(self).values() for file in files)


def open_storage(path: Path, *, recovered: bool = False, **environment: str) -> Storage:
    """Return the store at `path`, recovered unless it is, and not opened yet; keyword arguments are settings."""
    defaults = {"SECRET_KEY": SECRET_KEY, "STORAGE_PATH": str(path), "MIN_FREE_BYTES": "0", "DURABILITY": "none"}
    index_url = environment.get("INDEX_URL")
    if not path.exists() and index_url is None:
        shutil.copytree(_empty_store(), path)
    elif not recovered:
        durable = environment.get("DURABILITY") == "fsync"
        maintenance.recover(path, durable=durable, index_url=index_url, has_outbox="WEBHOOK_URL" in environment)
    return Storage(load_settings(defaults | environment))


@functools.cache
def _empty_store() -> Path:
    """What a recovery makes of nothing. A copy of it is as good, and made in less time."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    maintenance.recover(folder / "store", durable=False)
    return folder / "store"


@contextmanager
def open_core(path: Path, **environment: str) -> Iterator[Core]:
    """Open the store at `path` as one process, recovered as at a start, and stop in order."""
    storage = open_storage(path, recovered=False, **environment)
    try:
        yield Core(storage)
    finally:
        storage.stop()


def shown(core: Core) -> dict[str, tuple[Totals, list[File]]]:
    """Everything that the index says, by bucket."""
    every = core.buckets.list_by_name(SERVICE, position=None, limit=1000)
    return {
        bucket.name: (
            totals,
            core.index.files_by_key(bucket.uid, prefix="", start="", after=False, limit=10_000),
        )
        for bucket, totals in every
    }


def on_disk(core: Core) -> dict[str, tuple[Totals, list[File]]]:
    """The same, as the sidecars say it."""
    found = {}
    for bucket in core.store.buckets():
        assert not isinstance(bucket, DamagedRecord)
        files: list[File] = []
        for file in core.store.files(bucket):
            assert isinstance(file, File)
            files.append(file)
        files.sort(key=lambda file: file.key)
        found[bucket.name] = (Totals(len(files), sum(file.size for file in files)), files)
    return found


def blobs(root: Path) -> list[str]:
    """The names of all bytes in the buckets under `root`."""
    return sorted(
        path.name for path in root.glob("*/??/*") if ".system" not in path.parts and path.suffixes[-1:] != [".json"]
    )
