"""One process's hold on a store: its parts, wired, opened when they are first needed and after any fork."""

import shutil
import threading
from dataclasses import dataclass

from .blobstore import BlobStore, FilesystemStore
from .buckets import Buckets
from .errors import StoreUnusable, Unavailable
from .files import Files
from .guards import Guard
from .index import Index
from .janitor import Janitor
from .layout import Layout
from .ledger import Ledger
from .locks import ProcessLock, UploadSlots
from .settings import Settings
from .signing import Signing
from .tokens import Logins, SignedUrls
from .uploads import Uploads


@dataclass(frozen=True, slots=True)
class Services:
    """What the views call."""

    index: Index
    store: BlobStore
    buckets: Buckets
    files: Files
    uploads: Uploads
    signing: Signing
    janitor: Janitor


class Storage:
    """The store at STORAGE_PATH as this process uses it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.logins = Logins(settings.secret_key, settings.algorithm, settings.anon_key)
        self.signed_urls = SignedUrls(settings.secret_key)
        self._layout = Layout(settings.storage_path)
        self._opening = threading.Lock()
        self._lock: ProcessLock | None = None
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """The services, opened at the first use. Raises `Unavailable` while the store was not recovered."""
        with self._opening:
            if self._services is None:
                self._services = self._open()
            return self._services

    def start(self) -> None:
        """Open everything now, and sweep beside the requests."""
        self.services.janitor.start()

    def stop(self) -> None:
        """Let go of everything; what is in progress must have ended."""
        with self._opening:
            if self._services is None or self._lock is None:
                return
            self._services.janitor.stop()
            self._services.index.close()
            shutil.rmtree(self._layout.staging / self._lock.id, ignore_errors=True)
            self._lock.release()
            self._services = None

    def _open(self) -> Services:
        index = Index(self._layout.index)
        if not self._layout.index.exists() or not _is_ready(index):
            raise Unavailable(
                "The index is not ready: start the service with gunicorn, or run 'flask --app wsgi storage recover'."
            )
        self._lock = ProcessLock(self._layout.alive)
        return self._wire(index, self._lock.id)

    def _wire(self, index: Index, process: str) -> Services:
        settings = self.settings
        store = FilesystemStore(self._layout.root, process=process, durable=settings.durability == "fsync")
        ledger = Ledger(index, store, process=process)
        guard = Guard(index, anonymous_uploads=settings.anonymous_uploads)
        uploads = Uploads(
            index,
            store,
            ledger,
            guard,
            UploadSlots(self._layout.slots, settings.max_uploads),
            max_file_size=settings.max_file_size,
            min_free_bytes=settings.min_free_bytes,
        )
        return Services(
            index=index,
            store=store,
            buckets=Buckets(index, store, ledger, guard),
            files=Files(index, store, ledger, guard),
            uploads=uploads,
            signing=Signing(guard, uploads, self.signed_urls),
            janitor=Janitor(index, store),
        )


def _is_ready(index: Index) -> bool:
    try:
        return index.is_ready()
    except StoreUnusable:
        return False
