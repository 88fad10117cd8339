"""The creation of resumable uploads, whole, in parts, or out of parts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from ...auth.resumable_ids import ResumableIds
from ...auth.signed_urls import SignedUpload
from ...blobstore.resumables.store import Fill, ResumableStore
from ...domain.buckets import Bucket
from ...domain.principals import Principal
from ...domain.resumables import Checksum, Resumable
from ...domain.times import now
from ...domain.uploads import DeclaredBody, UploadRequest
from ...errors import InvalidRequest
from ...host.boot import boot_id
from ...host.locks import UploadSlots
from ..uploads import Uploads
from .access import Access
from .appending import Appending, State
from .pieces import Piece
from .reservations import ResumableReservations


@dataclass(frozen=True, slots=True)
class Creation:
    """A new upload as its client describes it: `request`, without a key for a part, its length, and two headers."""

    request: UploadRequest
    length: int | None
    upload_metadata: str | None = None
    upload_concat: str | None = None


class Creations:
    """Creates resumable uploads, which expire after `lifetime`. Threads may share it."""

    def __init__(
        self,
        store: ResumableStore,
        uploads: Uploads,
        slots: UploadSlots,
        reservations: ResumableReservations,
        access: Access,
        appending: Appending,
        ids: ResumableIds,
        lifetime: timedelta,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._slots = slots
        self._reservations = reservations
        self._access = access
        self._appending = appending
        self._ids = ids
        self._lifetime = lifetime

    def create(
        self, who: Principal | SignedUpload, creation: Creation, piece: Piece, checksum: Checksum | None = None
    ) -> State:
        """Create an upload, with the bytes of `piece` as its first ones. If they are all, it becomes a file.

        Raises what an upload of that length would raise before its first byte, and as `ResumableReservations.reserve`
        and `Appending.append` do. It leaves nothing then.
        """
        upload, bucket = self._new(who, creation)
        self._reservations.reserve(upload, bucket)
        with self._abandoned_on_failure(upload):
            self._store.create(upload)
            with self._access.held(upload.id) as held:
                self._appending.receive(held, piece, checksum)
                return self._appending.finished_if_complete(held)

    def concatenate(self, who: Principal | SignedUpload, creation: Creation, part_ids: Sequence[str]) -> State:
        """Create an upload from the bytes of parts, in this order, which makes it a file. The parts are then removed.

        Raises as `create` does, and `InvalidRequest` for a part that is none, or is not complete.
        """
        bucket_uid = self._uploads.authorize(who, creation.request).bucket.uid
        parts = [self._part(part_id, bucket_uid) for part_id in part_ids]
        length = sum(part.length or 0 for part in parts)
        upload, bucket = self._new(who, replace(creation, length=length))
        self._reservations.reserve(upload, bucket, in_place_of=parts)
        with self._renewed_on_failure(parts), self._abandoned_on_failure(upload), self._slots.hold():
            self._store.create(replace(upload, synced=length), self._joined(part_ids, length))
            with self._access.held(upload.id) as held:
                state = self._appending.finished_if_complete(held)
        for part_id in dict.fromkeys(part_ids):
            self._access.abandon(part_id)
        return state

    def _new(self, who: Principal | SignedUpload, creation: Creation) -> tuple[Resumable, Bucket]:
        """Return a new upload, and its bucket. Raises what its headers allow to refuse."""
        target = self._uploads.authorize(who, creation.request)
        declared = DeclaredBody(
            size=None if creation.request.key is None else creation.length,
            least_size=creation.length or 0,
            attributes=creation.request.attributes,
        )
        created = now()
        upload = Resumable(
            id=self._ids.new(),
            bucket_uid=target.bucket.uid,
            request=self._uploads.check_early(creation.request, declared, target),
            principal=who if isinstance(who, Principal) else None,
            right=target.right,
            length=creation.length,
            created_at=created,
            expires_at=created + self._lifetime,
            upload_metadata=creation.upload_metadata,
            upload_concat=creation.upload_concat,
            boot_id=boot_id(),
        )
        return upload, target.bucket

    @contextmanager
    def _abandoned_on_failure(self, upload: Resumable) -> Iterator[None]:
        """Leave nothing of a new upload if the body of `with` fails: its client has not learned its id."""
        try:
            yield
        except BaseException:
            self._access.abandon(upload.id)
            raise

    @contextmanager
    def _renewed_on_failure(self, parts: Sequence[Resumable]) -> Iterator[None]:
        """Reserve for `parts` again what they had reserved if the body of `with` fails, because they stay then."""
        try:
            yield
        except BaseException:
            for part in parts:
                self._reservations.renew(part, received=part.length or 0)
            raise

    def _part(self, part_id: str, bucket_uid: str) -> Resumable:
        """Return a complete part of a file in this bucket. Raises `InvalidRequest`, and as `Access.held` does."""
        with self._access.held(part_id) as held:
            if not held.upload.is_part or held.upload.bucket_uid != bucket_uid:
                raise InvalidRequest("Upload-Concat names an upload that is no partial upload to this bucket.")
            if held.offset != held.upload.length:
                raise InvalidRequest("Upload-Concat names a partial upload that is not complete; send its rest first.")
            return held.upload

    def _joined(self, part_ids: Sequence[str], length: int) -> Fill:
        def fill(target: int) -> int:
            for part_id in part_ids:
                with self._access.held(part_id) as held:
                    held.copy_to(target)
            return length

        return fill
