"""The routes that send the bytes of files."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from flask import Response, request
from flask.views import MethodView

from ..auth.signed_urls import Disposition
from ..domain.buckets import Bucket
from ..domain.files import File
from ..domain.times import now
from ..errors import (
    BucketNotFound,
    DamagedFile,
    FileNotFound,
    Forbidden,
    InvalidName,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageError,
)
from . import nginx
from .blueprint import Access, Blueprint
from .context import current_request, g
from .http import delivery
from .openapi_parts import READ_CONDITIONS, bytes_out

blueprint = Blueprint("Downloads", __name__, description="The bytes of files, whole or in ranges.")

_MAX_CACHED_BYTES = 1024 * 1024
_MAX_CACHED_SECONDS = 60

REFUSALS: tuple[type[StorageError], ...] = (
    InvalidName,
    Forbidden,
    FileNotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    DamagedFile,
)


@blueprint.route("/files/download/<bucket_id>/<key:file_id>")
class Download(MethodView):
    @blueprint.access(Access.ANYONE, BucketNotFound, *REFUSALS, any_query=True)
    @blueprint.doc(operationId="downloadFile", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, bucket_id: str, file_id: str) -> Response:
        """Download a file."""
        return deliver(bucket_id, file_id, Disposition.ATTACHMENT)


@blueprint.route("/files/view/<bucket_id>/<key:file_id>")
class View(MethodView):
    @blueprint.access(Access.ANYONE, BucketNotFound, *REFUSALS, any_query=True)
    @blueprint.doc(operationId="viewFile", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, bucket_id: str, file_id: str) -> Response:
        """View a file in the browser. A file that is not safe to show is downloaded instead."""
        return deliver(bucket_id, file_id, Disposition.INLINE)


@blueprint.route("/storage/<bucket_id>/<key:file_id>")
class Permanent(MethodView):
    @blueprint.access(Access.ANYONE, BucketNotFound, *REFUSALS, any_query=True)
    @blueprint.doc(operationId="openFile", parameters=READ_CONDITIONS, responses=bytes_out())
    def get(self, bucket_id: str, file_id: str) -> Response:
        """Open the permanent URL of a file, which answers like view."""
        return deliver(bucket_id, file_id, Disposition.INLINE)


def deliver_signed(token: str, bucket_id: str, file_id: str) -> Response:
    """Answer `GET /files/signed/...`. Raises `InvalidSignedUrl`, and as `services.files.get_signed` does."""
    grant = g.storage.signed_urls.download(token, file_id)
    expires_at = datetime.fromtimestamp(grant.expires_at, UTC)

    def answer() -> Response:
        bucket, file = g.services.files.get_signed(grant, bucket_id)
        return _deliver(bucket, file, grant.disposition, filename=grant.filename, expires_at=expires_at)

    return with_current_bytes(answer)


def with_current_bytes(answer: Callable[[], Response]) -> Response:
    """Return `answer()`, which looks a file up and delivers it. Call it again if the blob is missing.

    A version that is replaced meanwhile keeps its blob only for a while. `answer` looks the file up again too, so the
    headers of one version never go out with the bytes of another. Raises `DamagedFile` if the blob is still missing.
    """
    try:
        return answer()
    except FileNotFoundError:
        pass
    try:
        return answer()
    except FileNotFoundError as error:
        raise DamagedFile("The file's bytes are missing on the server; ask the operator to look.") from error


def deliver(
    bucket_id: str,
    file_id: str,
    disposition: Disposition,
    *,
    more_headers: Callable[[File], Mapping[str, str]] = lambda _: {},
) -> Response:
    """Answer with a file, if the principal of this request may read it."""

    def answer() -> Response:
        bucket, file = g.services.files.get(g.principal, bucket_id, file_id)
        response = _deliver(bucket, file, disposition)
        response.headers.update(more_headers(file))
        return response

    return with_current_bytes(answer)


def _deliver(
    bucket: Bucket,
    file: File,
    disposition: Disposition,
    *,
    filename: str | None = None,
    expires_at: datetime | None = None,
) -> Response:
    asked = current_request()
    by_nginx = nginx.sends_downloads(asked)
    may_cache = by_nginx and not _varies() and not g.storage.settings.audit_reads
    cached_seconds = _cached_seconds(bucket, file, expires_at) if may_cache else 0
    if expires_at is not None:
        expires_at -= timedelta(seconds=cached_seconds)  # nginx sends the same max-age until then
    response = delivery.deliver(
        asked,
        file,
        disposition=disposition,
        filename=filename,
        cache_control=delivery.cache_control(file, bucket, expires_at=expires_at, now=now()),
        open_blob=lambda: g.services.files.open(bucket, file),
        nginx_path=_nginx_path(bucket, file) if by_nginx and not cached_seconds else None,
    )
    if cached_seconds:
        response.headers["X-Accel-Expires"] = str(cached_seconds)
    return response


def _varies() -> bool:
    """Return whether the response is for the origin of this request alone. A client could invent any number of them."""
    return "Origin" in request.headers and "*" not in g.storage.settings.cors_origins


def _cached_seconds(bucket: Bucket, file: File, expires_at: datetime | None) -> int:
    """Return how many seconds nginx may cache the response. Only small files are worth the copy.

    The limit is a minute, even if the owner allows more, so that a deleted or private file disappears within that time.
    A signed URL is a secret in the path, so its holders may share a copy, for half of its remaining time at most.
    """
    if file.size > _MAX_CACHED_BYTES or (expires_at is None and not bucket.is_public):
        return 0
    seconds = min(_MAX_CACHED_SECONDS, delivery.shared_seconds(file.cache_control or bucket.cache_control or ""))
    return seconds if expires_at is None else max(0, min(seconds, int((expires_at - now()).total_seconds() / 2)))


def _nginx_path(bucket: Bucket, file: File) -> str | None:
    """Return the path of the bytes below STORAGE_PATH, where nginx finds them, or None if it cannot."""
    location = g.services.files.locate(bucket, file)
    return None if location is None else location.path
