"""The start and the stop of a store: recovery before the first worker, and the mark of a clean stop after the last."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..blobstore import Inventory, open_store
from ..blobstore.resumables.store import ResumableStore
from ..domain.times import now
from ..errors import StoreUnusable
from ..host.ballast import Ballast
from ..host.boot import boot_id
from ..host.files import replace_durably
from ..host.layout import Layout, usable
from ..host.locks import exclusive, if_free
from ..host.spool import Spool
from ..index import Index, damage_mark
from ..journal.file_log import FileLogs
from ..journal.liveness import Processes, open_liveness, processes_of
from ..journal.log import IntentLogs
from ..journal.recovery import Recovery
from .identity import check_store, claim, ensure_store_id, read_store_id
from .outbox import open_outbox
from .rebuild import Progress, Rebuilding, no_progress
from .resumables import ResumableUpkeep

log = logging.getLogger(__name__)

_SHOWN = 5  # of the names in a warning


@dataclass(frozen=True, slots=True)
class Recovered:
    """The outcome of a recovery. `files` is the number of files read for a rebuild, None if there was no rebuild.

    `resolved` counts intents. `damaged` describes records that cannot be read. `unbounded` names some of the public
    buckets without a quota, and `foreign` some of the directories among the buckets that are none.
    """

    resolved: int = 0
    files: int | None = None
    damaged: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def open_index(layout: Layout, index_url: str | None) -> Index:
    """Return the index at `index_url`, or if that is None the SQLite index of the store. The caller closes it.

    Raises `StoreUnusable` if the store's id cannot be read.
    """
    return Index(index_url or layout.index, store=read_store_id(layout))


def recover(
    root: Path,
    *,
    durable: bool,
    index_url: str | None = None,
    has_outbox: bool = False,
    rebuild_anyway: bool = False,
    take_over: bool = False,
    progress: Progress = no_progress,
) -> Recovered:
    """Make the store ready to serve. Runs before the workers, under a lock that other starts wait for.

    Removes the staging directories of dead processes, and resolves their intents. Rebuilds the index from the sidecars
    if it is missing, damaged, incomplete or of another version, or if a power cut may have taken its last transactions.
    An index that other processes use is reconciled instead. The index of another store is rebuilt only with
    `take_over`. With `has_outbox`, the changes of dead processes are announced. Raises `StoreUnusable`.
    """
    layout = Layout(root)
    layout.prepare()
    with usable(root), exclusive(layout.start_lock), _visiting(layout, durable=durable, has_outbox=has_outbox) as visit:
        ensure_store_id(layout)
        _refuse_linked_buckets(layout, visit.store)
        index = open_index(layout, index_url)
        try:
            if index.is_shared and not take_over:  # a file lies in its store, so it is rebuilt instead
                check_store(layout, index)
            reason = "it was asked for" if rebuild_anyway else _reason_to_rebuild(layout, index)
            if reason is None:
                recovered = Recovered(visit.recover_dead(index))
            elif not take_over and visit.must_share(index):
                log.info("reconciling the index: %s", reason)
                recovered = visit.reconcile(index, progress)
            else:
                log.info("rebuilding the index: %s", reason)
                index = _renewed(layout, index)
                recovered = visit.fill(index, progress, take_over=take_over)
            visit.resumables(index).reconcile()
            claim(index)
            if visit.is_alone():  # nginx waits for no answer of a process that is alive
                with index.write() as transaction:
                    transaction.end_reservations()
            unbounded = tuple(index.public_buckets_without_quota(limit=_SHOWN))
        finally:
            index.close()
        _write_last_start(layout, clean=False)
        foreign = tuple(islice(visit.store.foreign(), _SHOWN))
    return replace(recovered, unbounded=unbounded, foreign=foreign)


def is_recovered(layout: Layout, index: Index) -> bool:
    """Return whether the index is ready: recovered since this boot, with no clean stop since (SQLite), and complete."""
    if index.is_shared:
        return index.store is not None and _is_ready(index) and index.owner() == index.store
    if not layout.index.exists():  # to open it would create an empty one
        return False
    last = _last_start(layout)
    return last is not None and last == {"boot_id": boot_id(), "clean": False} and _is_ready(index)


def mark_clean_stop(root: Path, *, index_url: str | None = None) -> None:
    """Mark the stop as clean, so that the next start need not rebuild the index after a reboot.

    Does nothing while other processes are alive. A stop is not marked clean while a file log holds an open intent,
    because a power cut could lose that entry.
    """
    layout = Layout(root)
    with if_free(layout.start_lock) as alone:
        others = not alone or processes_of(layout).alive()
        if others or not (index_url or layout.index.exists()) or any(FileLogs(layout.intents).open_intents()):
            return
        index = open_index(layout, index_url)
        try:
            index.checkpoint()
        finally:
            index.close()
        _write_last_start(layout, clean=True)


@dataclass(frozen=True, slots=True)
class _Visit:
    """A store during its recovery, opened under a process id of its own."""

    layout: Layout
    process: str
    processes: Processes
    store: Inventory
    durable: bool
    has_outbox: bool

    def resumables(self, index: Index) -> ResumableUpkeep:
        """Return the upkeep of the resumable uploads of this store."""
        staging = self.layout.staging / self.process
        uploads = ResumableStore(self.layout.resumable, staging, durable=self.durable)
        return ResumableUpkeep(index, self.store, uploads)

    def is_alone(self) -> bool:
        """Return whether no other process of the store is alive."""
        return self.processes.alive() == [self.process]

    def must_share(self, index: Index) -> bool:
        """Return whether other processes use `index`, or may, so that it must not be replaced."""
        if index.is_shared:
            return _is_ready(index)
        return not self.is_alone() and not damage_mark(self.layout.index).exists() and _is_ready(index)

    def recover_dead(self, index: Index) -> int:
        if self.has_outbox:  # transactions of `index` announce from now on
            open_outbox(self.layout, index, durable=True).close()
        logs = IntentLogs(index, self.layout.intents, process=self.process)
        recovery = Recovery(index, self.store, self.processes, logs, Ballast(self.layout.ballast))
        return recovery.recover_dead()

    def reconcile(self, index: Index, progress: Progress) -> Recovered:
        resolved = self.recover_dead(index)
        rebuilding = Rebuilding(index, self.store, progress)
        rebuilding.reconcile()
        return Recovered(resolved, rebuilding.files, tuple(rebuilding.damaged))

    def fill(self, index: Index, progress: Progress, *, take_over: bool) -> Recovered:
        rebuilding = Rebuilding(index, self.store, progress)
        rebuilding.fill(take_over=take_over)
        return Recovered(self.recover_dead(index), rebuilding.files, tuple(rebuilding.damaged))


def _refuse_linked_buckets(layout: Layout, store: Inventory) -> None:
    """Raise `StoreUnusable` if a bucket is a link: requests would follow it, and a rebuild would not."""
    names = list(islice(store.linked_buckets(), _SHOWN))
    if names:
        raise StoreUnusable(
            f"In STORAGE_PATH={layout.root}, these buckets are links to directories, which are not followed: "
            f"{', '.join(names)}. Move each directory to the place of its link, or remove the link."
        )


@contextmanager
def _visiting(layout: Layout, *, durable: bool, has_outbox: bool) -> Iterator[_Visit]:
    processes = processes_of(layout)
    for process in processes.dead_with_leftovers():  # before their intents are resolved: no late rename may land
        processes.fence(process)
    Spool(layout.spool).collect()
    Ballast(layout.ballast).keep()
    presence = open_liveness(layout).announce()
    try:
        store = open_store(layout.root, process=presence.id, durable=durable)
        yield _Visit(layout, presence.id, processes, store, durable, has_outbox)
    finally:
        try:
            processes.fence(presence.id)
        finally:
            presence.release()


def _reason_to_rebuild(layout: Layout, index: Index) -> str | None:
    if index.is_shared:
        return _reason_to_fill(index)
    if not layout.index.exists():
        return "there is none yet"
    if damage_mark(layout.index).exists():
        return "it was found damaged"
    try:
        ready = index.is_ready() and index.owner() == index.store
    except StoreUnusable as error:
        return error.detail
    if not ready:
        return "it is incomplete, or of another version, or was made for another store"
    return "the machine went down without a clean stop" if _may_have_lost_transactions(layout) else None


def _reason_to_fill(index: Index) -> str | None:
    """Return why an index on a server must be filled, or None. Only an empty one is filled without a command.

    A database server keeps every committed transaction, and other hosts may use the index. Raises `StoreUnusable` if
    another version of the service made it.
    """
    if index.version() is None:
        return "it is empty, or incomplete"
    if not index.is_ready():
        raise StoreUnusable(
            "The index at INDEX_URL was made by another version of this service: stop the nodes that run that one, and "
            "run 'selfdb-storage rebuild'."
        )
    return None


def _may_have_lost_transactions(layout: Layout) -> bool:
    """Return whether the machine has rebooted since the last start, without a clean stop in between.

    With `synchronous=NORMAL` a power cut may take SQLite's last transactions back. A kill cannot.
    """
    last = _last_start(layout)
    return last is None or not (last.get("clean") or last.get("boot_id") == boot_id())


def _last_start(layout: Layout) -> dict[str, Any] | None:
    try:
        last = json.loads(layout.last_start.read_bytes())
    except (OSError, ValueError):
        return None
    return last if isinstance(last, dict) else None


def _write_last_start(layout: Layout, *, clean: bool) -> None:
    replace_durably(layout.last_start, json.dumps({"boot_id": boot_id(), "clean": clean}).encode() + b"\n")


def _renewed(layout: Layout, index: Index) -> Index:
    """Return an empty index in the place of `index`. A file that is no index of ours is moved to lost+found."""
    if index.is_shared:
        return index
    try:
        index.version()
        aside = None
    except StoreUnusable:
        aside = layout.lost_and_found / f"index-{now():%Y%m%dT%H%M%S.%f}"
        aside.mkdir()
    index.close()
    renewed = Index(layout.index, store=index.store)
    with renewed.alone():  # a living process that has the old file open sees that it was replaced
        for suffix in ("", "-wal", "-shm"):
            path = layout.index.with_name(layout.index.name + suffix)
            if aside is None:
                path.unlink(missing_ok=True)
            elif path.exists():
                os.rename(path, aside / path.name)
        damage_mark(layout.index).unlink(missing_ok=True)
    return renewed


def _is_ready(index: Index) -> bool:
    try:
        return index.is_ready()
    except StoreUnusable:
        return False
