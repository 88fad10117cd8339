"""The ids of resumable uploads. An id is the right to go on with its upload, so nobody can guess one."""

import base64
import hmac
import re
import secrets

_FORM = re.compile(r"[A-Za-z0-9_-]{32}")
_RANDOM_BYTES, _PROOF_BYTES = 16, 8
# The `info` of HKDF, which binds the derived key to this purpose (RFC 5869 section 3.2).
_PURPOSE = b"resumable-upload/1"


class ResumableIds:
    """Creates ids, and recognizes those that it has created, of uploads that have ended too.

    An id proves by itself that it is ours, so nothing need be kept to tell an upload that has ended from one that
    never was. The key is derived from SECRET_KEY as that of signed URLs is.
    """

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), _PURPOSE + b"\x01", "sha256")

    def new(self) -> str:
        """Return a new id: 32 characters that need no escape in a URL or a path, 128 bits of them random."""
        while True:
            random = secrets.token_bytes(_RANDOM_BYTES)
            created = base64.urlsafe_b64encode(random + self._proof(random)).decode()
            if not created.startswith("-"):  # a tool on the command line would take its directory for an option
                return created

    def is_ours(self, upload_id: str) -> bool:
        """Return whether `new` has returned `upload_id` at some time."""
        if not _FORM.fullmatch(upload_id):
            return False
        decoded = base64.urlsafe_b64decode(upload_id)
        return hmac.compare_digest(self._proof(decoded[:_RANDOM_BYTES]), decoded[_RANDOM_BYTES:])

    def _proof(self, random: bytes) -> bytes:
        return hmac.digest(self._key, random, "sha256")[:_PROOF_BYTES]
