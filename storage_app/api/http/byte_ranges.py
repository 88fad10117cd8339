"""Bodies of responses: one range of a file, or several as `multipart/byteranges`."""

import secrets
from collections.abc import Iterator
from typing import BinaryIO

from .ranges import ByteRange

STEP_BYTES = 256 * 1024


class Window:
    """One range of an open file, with the methods that WSGI servers use to send a file.

    gunicorn passes `fileno` and the current position to sendfile(2), and sends Content-Length bytes. So `blob` must
    not be buffered. Other servers read to the end. Closing the window closes `blob`.
    """

    def __init__(self, blob: BinaryIO, span: ByteRange) -> None:
        self._blob = blob
        self._stop = span.stop
        self.fileno = blob.fileno
        self.tell = blob.tell
        self.seek(span.start)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end of the range."""
        return self._blob.read(min(size, self._stop - self._blob.tell()))

    def seek(self, offset: int) -> int:
        """Move to `offset` in the file, not in the window: Python continues there if sendfile(2) fails."""
        return self._blob.seek(offset)

    def close(self) -> None:
        self._blob.close()


class Parts:
    """Several ranges of an open file as `multipart/byteranges` (RFC 9110 section 14.6). The caller closes `blob`.

    It can be iterated once.
    """

    def __init__(self, blob: BinaryIO, ranges: tuple[ByteRange, ...], *, size: int, content_type: str) -> None:
        self._blob = blob
        # Twenty random digits, so that no file contains the boundary by chance. nginx's have as many.
        boundary = f"{secrets.randbelow(10**20):020}"
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self._parts = [
            (
                f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
                f"Content-Range: {span.content_range(size)}\r\n\r\n".encode(),
                span,
            )
            for span in ranges
        ]
        self._end = f"\r\n--{boundary}--\r\n".encode()

    @property
    def length(self) -> int:
        return sum(len(header) + span.length for header, span in self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for header, span in self._parts:
            yield header
            window = Window(self._blob, span)
            while data := window.read(STEP_BYTES):
                yield data
        yield self._end
