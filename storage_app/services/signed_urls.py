"""The signing of URLs. A signed URL gives its holder a right to one file for a limited time."""

import math
import time
from dataclasses import dataclass, replace

from ..auth.permissions import Action
from ..auth.signed_urls import ARCHIVE_NAME, Disposition, SignedArchive, SignedDownload, SignedUpload, SignedUrls
from ..domain.files import check_filename
from ..domain.principals import Principal
from ..domain.uploads import DeclaredBody, FileAttributes, UploadRequest
from .archives import Archives
from .lookups import Lookups
from .upload_rules import bindable
from .uploads import Uploads

MAX_SIGNED_METADATA_BYTES = 2 * 1024
DEFAULT_EXPIRY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A token, and the file that it is for. `expires_at` is in seconds since the epoch."""

    token: str
    bucket_name: str
    key: str
    expires_at: int


class Signing:
    """Signs URLs for the uploads and downloads that a principal may make itself."""

    def __init__(self, lookups: Lookups, uploads: Uploads, archives: Archives, urls: SignedUrls) -> None:
        self._lookups = lookups
        self._archives = archives
        self._uploads = uploads
        self._urls = urls

    def upload(self, principal: Principal, request: UploadRequest, *, expires_in: int) -> SignedLink:
        """Sign the upload of a file to the key of `request`, under its constraints. `expires_in` is in seconds.

        Raises what such an upload would raise now, before its first byte. The upload itself is checked again.
        """
        target = self._uploads.authorize(principal, request)
        constraints = bindable(request.constraints, max_metadata_bytes=MAX_SIGNED_METADATA_BYTES)
        attributes = FileAttributes(content_type=constraints.content_type)
        request = replace(request, constraints=constraints, attributes=attributes)
        self._uploads.check_early(request, DeclaredBody(size=constraints.size), target)
        assert request.key is not None, "a URL is signed for one key"
        grant = SignedUpload(
            bucket_uid=target.bucket.uid,
            key=request.key,
            expires_at=_expiry(expires_in),
            right=target.right,
            overwrite=request.overwrite,
            constraints=constraints,
        )
        return SignedLink(self._urls.sign(grant), target.bucket.name, grant.key, grant.expires_at)

    def download(
        self,
        principal: Principal,
        bucket_name: str,
        key: str,
        *,
        disposition: Disposition,
        filename: str | None,
        expires_in: int,
    ) -> SignedLink:
        """Sign the download of the file at `key`. `expires_in` is in seconds. Raises as the download would."""
        expires_at = _expiry(expires_in)
        bucket, _ = self._lookups.file(principal, bucket_name, key, Action.READ_FILE)
        grant = SignedDownload(
            bucket_uid=bucket.uid,
            key=key,
            expires_at=expires_at,
            disposition=disposition,
            filename=None if filename is None else check_filename(filename),
        )
        return SignedLink(self._urls.sign(grant), bucket.name, key, grant.expires_at)

    def archive(
        self, principal: Principal, bucket_name: str, prefix: str, *, filename: str | None, expires_in: int
    ) -> SignedLink:
        """Sign the archive of the files that begin with `prefix`. Otherwise like `download`."""
        bucket = self._archives.authorize(principal, bucket_name, prefix)
        checked = None if filename is None else check_filename(filename)
        grant = SignedArchive(bucket.uid, prefix, _expiry(expires_in), checked)
        return SignedLink(self._urls.sign(grant), bucket.name, ARCHIVE_NAME, grant.expires_at)


def _expiry(expires_in: int) -> int:
    # Rounded up, so that a URL for one second lives for at least that one.
    return math.ceil(time.time()) + expires_in
