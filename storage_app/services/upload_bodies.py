"""The bodies of uploads: what `Uploads` asks of one, wherever its bytes come from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from ..domain.uploads import DeclaredBody, UploadRequest
from .upload_rules import Received

Write = Callable[[bytes], int]


class Body(Protocol):
    """The body of an upload: a stream, a form, or a file that nginx has spooled."""

    def declare(self) -> DeclaredBody:
        """Return what is known before the first byte. Raises if no such body can be taken, whoever sends it."""

    def opened(self) -> AbstractContextManager[BinaryIO | None]:
        """Open the file that holds the whole body, which the store may move away, or None if there is no such file."""

    def send_to(self, write: Write) -> None:
        """Pass the bytes of the uploaded file to `write`, in pieces."""

    def complete(self, request: UploadRequest) -> UploadRequest:
        """Return `request` with the fields that came in the body besides the file. Call it after `send_to`."""


class KnownBody(Body, Protocol):
    """A body whose bytes were looked at when they came, so that they need not be read again."""

    def received(self) -> Received:
        """Return what is known of the bytes."""
