"""The heads of requests, which are read without waiting, so that a client that stops inside one holds no thread."""

import io
import os
from typing import Any

from gunicorn import util

# The size of a read, for heads and chunked bodies. It covers most heads, and often a small body too.
STEP_BYTES = 32 * 1024
# gunicorn's own limit for a head is 800 KiB. Each connection may hold so much of one.
MAX_BYTES = 64 * 1024
_MAX_LINE_BYTES = 8190 + len("\r\n")  # `limit_request_line`


def receive(conn: Any) -> bool:
    """Read what is here of the next head of `conn`. Return whether gunicorn can parse or refuse it without waiting.

    That is also the case if the client has disconnected.
    """
    if is_due(conn):
        return True
    try:
        data = os.read(conn.sock.fileno(), STEP_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        return True
    buffer = conn.parser.unreader.buf
    buffer.seek(0, io.SEEK_END)
    buffer.write(data)
    return not data or is_due(conn)


def is_due(conn: Any) -> bool:
    """Return whether the bytes that were read hold a whole head, or one that is refused whatever follows."""
    data: bytes = conn.parser.unreader.buf.getvalue()
    if not data or b"\r\n\r\n" in data:
        return bool(data)
    has_bare_newline = data.count(b"\n") != data.count(b"\r\n")
    has_long_line = len(data) > _MAX_LINE_BYTES and b"\n" not in data
    return has_bare_newline or has_long_line or len(data) > MAX_BYTES


def has_begun(conn: Any) -> bool:
    """Return whether some bytes of the next head were read."""
    return bool(conn.parser.unreader.buf.getbuffer())


def is_too_large(conn: Any) -> bool:
    """Return whether the head has more than MAX_BYTES and still no end."""
    buffer = conn.parser.unreader.buf
    return len(buffer.getbuffer()) > MAX_BYTES and b"\r\n\r\n" not in buffer.getvalue()


def refuse(conn: Any) -> None:
    """Answer that the head is too large (RFC 6585 section 5)."""
    message = f"the head of the request has more than {MAX_BYTES} bytes"
    util.write_error(conn.sock, 431, "Request Header Fields Too Large", message)
