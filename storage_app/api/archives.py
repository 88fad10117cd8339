"""The routes that send many files as one zip."""

import errno
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from flask import Response, request
from flask.views import MethodView

from ..auth.signed_urls import Disposition, SignedArchive
from ..domain.buckets import Bucket
from ..errors import BucketNotFound, FileNotFound, Forbidden, InvalidName, StorageError
from ..host.blocking import detach
from ..host.clients import expect_answer
from .blueprint import Access, Blueprint
from .context import g
from .http.delivery import content_disposition
from .http.responses import ReadyResponse
from .http.zip_stream import MEDIA_TYPE, Entry, EntryGoneError, ZipStream
from .lanes import LISTS
from .openapi_parts import archive_out
from .schemas.queries import ArchiveSchema

log = logging.getLogger(__name__)

blueprint = Blueprint("Archives", __name__, url_prefix="/files", description="Many files as one zip.")


@blueprint.route("/archive/<bucket_id>")
class FilesArchive(MethodView):
    @blueprint.access(Access.CREDENTIAL, InvalidName, Forbidden, BucketNotFound, FileNotFound, lane=LISTS)
    @blueprint.doc(operationId="downloadArchive", responses=archive_out())
    @blueprint.arguments(ArchiveSchema(), location="query")
    def get(self, query: dict[str, Any], bucket_id: str) -> Response:
        """Download the files of a bucket, or those that begin with a prefix, as one zip.

        Their names begin behind the last `/` of the prefix. The files are not compressed. If one is deleted or replaced
        before its turn, the connection is cut.
        """
        bucket = g.services.archives.authorize(g.principal, bucket_id, query["prefix"])
        return _deliver(bucket, query["prefix"])


def deliver_signed(grant: SignedArchive, bucket_id: str) -> Response:
    """Answer `GET /files/signed/...` with an archive. Raises `InvalidSignedUrl`, and as `Archives.files` does."""
    bucket = g.services.archives.authorize_signed(grant, bucket_id)
    return _deliver(bucket, grant.prefix, filename=grant.filename)


def _deliver(bucket: Bucket, prefix: str, *, filename: str | None = None) -> Response:
    archives = g.services.archives
    detach()  # thousands of rows are read, and then files, as fast as the client takes them
    with ExitStack() as held:
        held.enter_context(archives.hold())
        entries = [Entry(each.name, each.size, each.modified, each.blob) for each in archives.files(bucket, prefix)]
        stream = ZipStream(entries, lambda blob: archives.open(bucket, blob))
        length = stream.length
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(length),
            "Content-Disposition": content_disposition(Disposition.ATTACHMENT, filename or _filename(bucket, prefix)),
            "Accept-Ranges": "none",
            "Cache-Control": "no-store",
        }
        if request.method == "HEAD":
            return ReadyResponse(headers=headers)
        expect_answer(length)
        response = ReadyResponse(_cut_if_gone(stream, bucket), headers=headers)
        response.call_on_close(held.pop_all().close)
        return response


def _filename(bucket: Bucket, prefix: str) -> str:
    """Return the name of the archive: that of the folder, or of the bucket."""
    return f"{prefix.rstrip('/').rpartition('/')[2] or bucket.name}.zip"


def _cut_if_gone(stream: ZipStream, bucket: Bucket) -> Iterator[bytes]:
    """Yield the bytes of `stream`. If a file is gone, the connection must end, so that the client notices."""
    try:
        yield from stream
    except (EntryGoneError, StorageError, OSError) as error:
        log.warning("an archive was cut off, because a file is gone: %s", error, extra={"bucket": bucket.name})
        raise ConnectionResetError(errno.ECONNRESET, "the archive cannot be completed") from error
