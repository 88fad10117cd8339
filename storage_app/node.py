"""The node: one process with its open store. It wires the parts, and opens them on first use, after any fork."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .auth.credentials import Logins
from .auth.permissions import Policy
from .auth.resumable_ids import ResumableIds
from .auth.signed_urls import SignedUrls
from .blobstore import Inventory, open_store
from .blobstore.resumables.store import ResumableStore
from .domain.changes import Change
from .errors import StoreUnusable, Unavailable
from .host.append_log import AppendLog
from .host.ballast import Ballast
from .host.files import remove_tree
from .host.layout import Layout
from .host.locks import UploadSlots
from .host.spool import Spool
from .index import Index, Outbox
from .journal.commit import Commits
from .journal.liveness import Presence, open_liveness, processes_of
from .journal.log import IntentLogs
from .journal.recovery import Recovery
from .maintenance.background import BackgroundThread
from .maintenance.outbox import open_outbox
from .maintenance.recover import is_recovered, open_index
from .maintenance.resumables import ResumableUpkeep
from .services.archives import Archives
from .services.buckets import Buckets
from .services.bulk import Bulk
from .services.copies import Copies
from .services.deletions import Deletions
from .services.files import Files
from .services.folders import Folders
from .services.lookups import Lookups
from .services.reservations import Reservations
from .services.resumables.access import Access
from .services.resumables.appending import Appending
from .services.resumables.creation import Creations
from .services.resumables.finish import Finisher
from .services.resumables.reservations import ResumableReservations
from .services.signed_urls import Signing
from .services.upload_rules import UploadLimits
from .services.uploads import Uploads
from .settings import Settings

if TYPE_CHECKING:
    from .events.delivery import Deliverer
    from .events.endpoint import Endpoint

log = logging.getLogger(__name__)

_NOT_READY = "The index is not ready: start the service with gunicorn, or run 'selfdb-storage recover'."


@dataclass(frozen=True, slots=True)
class Services:
    """The open parts of a node, which the views and commands call."""

    index: Index
    store: Inventory
    commits: Commits
    logs: IntentLogs
    recovery: Recovery
    buckets: Buckets
    files: Files
    deletions: Deletions
    archives: Archives
    uploads: Uploads
    slots: UploadSlots
    copies: Copies
    folders: Folders
    reservations: Reservations
    resumables: ResumableStore
    creations: Creations
    appending: Appending
    signing: Signing
    spool: Spool
    background: BackgroundThread
    outbox: Outbox | None
    deliverer: "Deliverer | None"


class Storage:
    """The store at STORAGE_PATH, as this process uses it. Threads may share it."""

    def __init__(
        self,
        settings: Settings,
        *,
        listener: Callable[[Change], None] | None = None,
        describe: Callable[[Change], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        """`listener` is told of each change, as `Commits` does it. `describe` returns the data of its event."""
        self.settings = settings
        self._describe = describe
        self.audit_log = AppendLog(settings.audit_log) if settings.audit_log else None
        self._listener = listener
        self.logins = Logins(settings.secret_key, settings.algorithm, settings.anon_key, settings.service_key)
        self.signed_urls = SignedUrls(settings.secret_key)
        self._resumable_ids = ResumableIds(settings.secret_key)
        self._layout = Layout(settings.storage_path)
        self._opening = threading.Lock()
        self._presence: Presence | None = None
        self._services: Services | None = None
        self._runs_background = False

    @property
    def services(self) -> Services:
        """The services. Opened on first use, and again if the index was replaced or this process was declared dead.

        Each opening has a new process id. Raises `StorageError` if the store cannot be opened: `Unavailable` if it is
        not recovered.
        """
        services = self._services
        if services is not None and self._is_current(services):
            return services
        with self._opening:
            if self._services is not None and self._services is services:
                log.warning("the index was replaced, or this process was declared dead: opening the store again")
                self._close(wait=False)
            if self._services is None:
                self._services = self._open()
            return self._services

    def ensure_open(self) -> None:
        """Open the store on first use. Later calls do not touch the disk. Raises as `services` does."""
        if self._services is None:
            _ = self.services

    def uploads_in_progress(self) -> int:
        """Return how many bodies of uploads this process receives. Never waits."""
        services = self._services
        return 0 if services is None else services.slots.held()

    def start(self) -> None:
        """Open the store, and run the background thread from now on. Raises as `services` does.

        If the store cannot be opened now, every request tries again.
        """
        self._runs_background = True
        _ = self.services

    def stop(self) -> None:
        """Close the store. No request may be in progress."""
        with self._opening:
            self._close(wait=True)
            self._runs_background = False
        if self.audit_log is not None:
            self.audit_log.close()

    def _is_current(self, services: Services) -> bool:
        presence = self._presence
        return (
            presence is not None
            and presence.is_held()
            and services.index.is_current()
            and not services.store.is_fenced()
        )

    def _open(self) -> Services:
        # Announce this process first, so that a recovery that starts now shares the index instead of replacing it.
        presence = open_liveness(self._layout).announce()
        index = None
        try:
            index = open_index(self._layout, self.settings.index_url)
            if not is_recovered(self._layout, index):
                raise Unavailable(_NOT_READY)
            services = self._wire(index, presence.id)
        except BaseException as error:
            if index is not None:
                index.close()
            presence.release()
            if isinstance(error, StoreUnusable):  # the start and the commands say more
                raise Unavailable(_NOT_READY) from error
            raise
        self._presence = presence
        if self._runs_background:
            services.background.start()
            if services.deliverer is not None:
                services.deliverer.start()
        return services

    def _close(self, *, wait: bool) -> None:
        services, presence = self._services, self._presence
        if services is None or presence is None:
            return
        # Forgotten first, so that no later request closes a descriptor again that is another file's by then.
        self._services = self._presence = None
        with ExitStack() as closing:  # what follows a step that fails is done too
            closing.callback(presence.release)
            closing.callback(self._discard_staging, presence.id)
            closing.callback(services.index.close)
            if services.outbox is not None:
                closing.callback(services.outbox.close)
            closing.callback(services.logs.close)
            if services.deliverer is not None:
                closing.callback(services.deliverer.stop, wait=wait)
            services.background.stop(wait=wait)

    def _deliverer(self, index: Index, outbox: Outbox) -> "Deliverer":
        from .events.delivery import Deliverer  # noqa: PLC0415  # as in `endpoint`

        return Deliverer(index, outbox, self.endpoint())

    def endpoint(self) -> "Endpoint":
        """Return the receiver of webhooks, which the settings name."""
        from .events.endpoint import Endpoint  # noqa: PLC0415  # an HTTP client, 5 MiB that only webhooks need

        url, secret = self.settings.webhook_url, self.settings.webhook_secret
        assert url is not None, "the caller has looked"
        assert secret is not None, "the settings are checked together"
        return Endpoint(url, secret, self._describe)

    def _discard_staging(self, process: str) -> None:
        with suppress(OSError):  # a rest is fenced by the next recovery
            remove_tree(self._layout.staging / process)

    def _wire(self, index: Index, process: str) -> Services:
        settings, layout = self.settings, self._layout
        store = open_store(layout.root, process=process, durable=settings.durability == "fsync")
        ballast, spool = Ballast(layout.ballast), Spool(layout.spool)
        logs = IntentLogs(index, layout.intents, process=process)
        recovery = Recovery(index, store, processes_of(layout), logs, ballast)
        outbox = open_outbox(layout, index, durable=settings.durability == "fsync") if settings.webhook_url else None
        commits = Commits(index, store, logs, recovery, outbox=outbox, listener=self._listener)
        policy = Policy(anonymous_uploads=settings.anonymous_uploads, authenticated_read=settings.authenticated_read)
        lookups = Lookups(index, policy)
        limits = UploadLimits(max_file_size=settings.max_file_size, min_free_bytes=settings.min_free_bytes)
        slots = UploadSlots(layout.slots, settings.max_uploads)
        reservations = Reservations(index, spool, limits, max_uploads=settings.max_uploads)
        uploads = Uploads(index, store, commits, lookups, slots, reservations, limits)
        resumables = ResumableStore(layout.resumable, layout.staging / process, durable=settings.durability == "fsync")
        creations, appending = self._resumables(resumables, index, store, uploads, slots, reservations, limits)
        archives = Archives(index, store, lookups, layout.slots)
        copies, bulk = Copies(store, commits, lookups, uploads, limits), Bulk(layout.slots)
        return Services(
            index=index,
            store=store,
            commits=commits,
            logs=logs,
            recovery=recovery,
            buckets=Buckets(index, store, commits, lookups, ballast),
            files=Files(index, store, commits, lookups, ballast),
            deletions=Deletions(index, commits, lookups, ballast, bulk),
            archives=archives,
            uploads=uploads,
            slots=slots,
            copies=copies,
            folders=Folders(index, lookups, copies, bulk),
            reservations=reservations,
            resumables=resumables,
            creations=creations,
            appending=appending,
            signing=Signing(lookups, uploads, archives, self.signed_urls),
            spool=spool,
            background=BackgroundThread(
                index,
                store,
                recovery,
                ballast,
                spool,
                ResumableUpkeep(index, store, resumables),
                lock=layout.collect_lock,
            ),
            outbox=outbox,
            deliverer=None if outbox is None else self._deliverer(index, outbox),
        )

    def _resumables(
        self,
        resumables: ResumableStore,
        index: Index,
        store: Inventory,
        uploads: Uploads,
        slots: UploadSlots,
        spooled: Reservations,
        limits: UploadLimits,
    ) -> tuple[Creations, Appending]:
        """Return what creates resumable uploads, and what goes on with them."""
        ids, lifetime = self._resumable_ids, timedelta(seconds=self.settings.resumable_expiry)
        reservations = ResumableReservations(index, spooled, limits, store.free_bytes)
        finisher = Finisher(index, store, uploads, reservations, limits)
        access = Access(index, resumables, reservations, finisher, ids)
        appending = Appending(index, access, slots, reservations, finisher)
        return Creations(resumables, uploads, slots, reservations, access, appending, ids, lifetime), appending
