"""What runs at a start, at a stop and beside the requests, so that what is on disk and the index agree."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .blobstore import BlobStore, DamagedRecord, FilesystemStore
from .blobstore.disk import sync_directory
from .domain import Bucket, File, now
from .errors import DamagedFile, StoreUnusable
from .index import Index
from .layout import Layout, usable
from .ledger import put_right
from .locks import ProcessLock, exclusive, gone_processes, living_processes

log = logging.getLogger(__name__)

_BATCH = 1000
_UNBOUNDED_SHOWN = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found and did. `files` is None where nothing had to be rebuilt.

    `unbounded` are some of the public buckets without a quota.
    """

    put_right: int
    files: int | None = None
    damaged: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()


def recover(root: Path, *, durable: bool, rebuild_anyway: bool = False, progress: Progress | None = None) -> Recovery:
    """Make the store ready to serve. Runs before the workers, alone; another start waits for it.

    Staging of processes that are gone is removed and their notes are put right. The index is rebuilt from the sidecars
    when it is missing, damaged, of another version, or may have lost its last transactions in a power cut.
    `progress` is called with the number of files read so far. Raises `StoreUnusable`.
    """
    layout = Layout(root)
    layout.prepare()
    with usable(root), exclusive(layout.start_lock):
        _remove_staging_of_gone(layout)
        living = living_processes(layout.alive)
        index = Index(layout.index)
        try:
            reason = "it was asked for" if rebuild_anyway else _reason_to_rebuild(layout, index)
            if reason is not None and living:
                raise StoreUnusable(
                    f"The index has to be rebuilt ({reason}), but another service is using STORAGE_PATH={root}; stop "
                    "it first."
                )
            with _Visit(layout, durable=durable) as store:
                if reason is None:
                    recovery = _put_gone_right(index, store, living)
                else:
                    log.info("making the index: %s", reason)
                    index = _renewed(layout, index)
                    recovery = rebuild(index, store, progress)
            unbounded = tuple(index.public_buckets_without_quota(limit=_UNBOUNDED_SHOWN))
        finally:
            index.close()
        _write_last_start(layout, clean=False)
    return replace(recovery, unbounded=unbounded)


def rebuild(index: Index, store: BlobStore, progress: Progress | None = None) -> Recovery:
    """Fill the index from the sidecars alone, in constant memory. Nobody else may be using it.

    The index is complete only at the end: interrupted, it is rebuilt again at the next start.
    """
    count = 0
    damaged: list[str] = []
    index.create()
    with index.write() as transaction:
        transaction.clear()
    names: dict[str, str] = {}
    for bucket in store.buckets():
        if isinstance(bucket, DamagedRecord):
            damaged.append(bucket)
            continue
        if bucket.uid in names:
            damaged.append(f"{bucket.name}: it is a copy of {names[bucket.uid]}, with the same uid")
            continue
        names[bucket.uid] = bucket.name
        with index.write() as transaction:
            transaction.put_bucket(bucket)
        for batch in _batches(store.files(bucket), damaged):
            with index.write() as transaction:
                transaction.add_files(bucket.uid, batch)
            count += len(batch)
            if progress is not None:
                progress(count)
        _remember_replaced(index, store, bucket)
    with index.write() as transaction:
        for uid in store.removed_buckets():
            transaction.remember_bucket(uid, now())
        transaction.complete()
    return Recovery(put_right=0, files=count, damaged=tuple(damaged))


def mark_clean_stop(root: Path) -> None:
    """Write down that nothing was cut short, so that the next start need not look. Does nothing while others live."""
    layout = Layout(root)
    with exclusive(layout.start_lock):
        if living_processes(layout.alive) or not layout.index.exists():
            return
        index = Index(layout.index)
        try:
            index.checkpoint()
        finally:
            index.close()
        _write_last_start(layout, clean=True)


class _Visit:
    """A store for the time of a recovery, with a process lock of its own."""

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        self._layout = layout
        self._durable = durable

    def __enter__(self) -> FilesystemStore:
        self._lock = ProcessLock(self._layout.alive)
        return FilesystemStore(self._layout.root, process=self._lock.id, durable=self._durable)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._layout.staging / self._lock.id, ignore_errors=True)
        self._lock.release()


def _reason_to_rebuild(layout: Layout, index: Index) -> str | None:
    if not layout.index.exists():
        return "there is none yet"
    try:
        if not index.is_ready():
            return "it is incomplete, or of another version"
    except StoreUnusable as error:
        return error.detail
    if _may_have_lost_transactions(layout):
        return "the machine went down without a clean stop"
    return None


def _may_have_lost_transactions(layout: Layout) -> bool:
    """Whether the machine booted again since a start that no clean stop followed.

    With `synchronous=NORMAL` a power cut may take the index's last transactions back; a kill cannot.
    """
    try:
        last = json.loads(layout.last_start.read_bytes())
        return not last["clean"] and last["boot_id"] != _boot_id()
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _write_last_start(layout: Layout, *, clean: bool) -> None:
    written = layout.last_start.with_suffix(".new")
    with open(written, "wb") as file:
        file.write(json.dumps({"boot_id": _boot_id(), "clean": clean}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(written, layout.last_start)
    sync_directory(layout.system)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:  # not Linux: every start after an unclean stop rebuilds
        return f"unknown-{time.time_ns()}"


def _remove_staging_of_gone(layout: Layout) -> None:
    """Before their notes are judged, so that a late rename of theirs fails."""
    # Listed before it is asked who lives: a process that starts now takes its lock first, and then makes its directory.
    directories = list(layout.staging.iterdir())
    living = living_processes(layout.alive)
    for directory in directories:
        if directory.name not in living:
            shutil.rmtree(directory, ignore_errors=True)
    for process in gone_processes(layout.alive):
        with suppress(FileNotFoundError):
            (layout.alive / process).unlink()


def _put_gone_right(index: Index, store: BlobStore, living: Iterable[str]) -> Recovery:
    with index.write() as transaction:
        notes = [note for note in transaction.notes() if note.process not in set(living)]
    damaged: list[str] = []
    for note in notes:
        try:
            with index.write() as transaction:
                put_right(transaction, store, note)
        except DamagedFile as error:
            damaged.append(error.detail)  # the note stays, until somebody repairs the record
    return Recovery(put_right=len(notes) - len(damaged), damaged=tuple(damaged))


def _remember_replaced(index: Index, store: BlobStore, bucket: Bucket) -> None:
    """Remember again what the lost index was about to remove."""
    for key, blob in store.replaced_blobs(bucket):
        with index.write() as transaction:
            transaction.remember_blob(bucket.uid, key, blob, now())


def _renewed(layout: Layout, index: Index) -> Index:
    """Remove the index and return an empty one; what is no database of ours goes to lost+found instead."""
    try:
        index.version()
        aside = None
    except StoreUnusable:
        aside = layout.lost_and_found / f"index-{now():%Y%m%dT%H%M%S.%f}"
        aside.mkdir()
    index.close()
    for suffix in ("", "-wal", "-shm"):
        path = layout.index.with_name(layout.index.name + suffix)
        if aside is None:
            path.unlink(missing_ok=True)
        elif path.exists():
            os.rename(path, aside / path.name)
    return Index(layout.index)


def _batches(files: Iterable[File | DamagedRecord], damaged: list[str]) -> Iterable[list[File]]:
    batch: list[File] = []
    for file in files:
        if isinstance(file, DamagedRecord):
            damaged.append(file)
            continue
        batch.append(file)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
