"""What is sent of a file: one range that a server may send by sendfile(2), or several in a multipart body."""

import email
import io
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from storage_app.api.http.byte_ranges import STEP_BYTES, Parts, Window
from storage_app.api.http.ranges import ByteRange

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def blob(tmp_path: Path) -> Iterator[BinaryIO]:
    """A file as the store opens it: without a buffer."""
    (tmp_path / "blob").write_bytes(CONTENT)
    with io.FileIO(tmp_path / "blob") as opened:
        yield cast(BinaryIO, opened)


@pytest.mark.parametrize(
    ("span", "size", "expected"),
    [
        (ByteRange(0, 1024), 1024, CONTENT),
        (ByteRange(0, 1), 100, CONTENT[:1]),
        (ByteRange(1000, 1024), 100, CONTENT[1000:]),
        (ByteRange(5, 5), 100, b""),
    ],
)
def test_window_ends_where_the_range_ends(blob: BinaryIO, span: ByteRange, size: int, expected: bytes) -> None:
    window = Window(blob, span)
    assert (window.tell(), window.read(size), window.read(size)) == (span.start, expected, b"")


def test_window_goes_on_where_sendfile_left_off(blob: BinaryIO) -> None:
    """`socket.sendfile` seeks to where it came before it lets Python send the rest."""
    window = Window(blob, ByteRange(100, 200))
    assert window.fileno() == blob.fileno()
    assert (window.seek(150), window.read(1000)) == (150, CONTENT[150:200])


def test_closed_window_closes_the_file(blob: BinaryIO) -> None:
    window = Window(blob, ByteRange(0, 1))
    assert not blob.closed
    window.close()
    assert blob.closed


def read(parts: Parts) -> list[tuple[str, str, bytes]]:
    """Read a multipart answer with somebody else's parser."""
    head = f"Content-Type: {parts.content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + b"".join(parts))
    assert message.get_content_type() == "multipart/byteranges"
    return [
        (part["Content-Type"], part["Content-Range"], cast(bytes, part.get_payload(decode=True)))
        for part in cast(list[Message], message.get_payload())
    ]


def test_several_ranges(blob: BinaryIO) -> None:
    ranges = ByteRange(1020, 1024), ByteRange(0, 10), ByteRange(300, 302)
    assert read(Parts(blob, ranges, size=1024, content_type="image/png")) == [
        ("image/png", "bytes 1020-1023/1024", CONTENT[-4:]),
        ("image/png", "bytes 0-9/1024", CONTENT[:10]),
        ("image/png", "bytes 300-301/1024", CONTENT[300:302]),
    ]
    assert not blob.closed


@pytest.mark.parametrize("ranges", [(), (ByteRange(0, 1),), (ByteRange(0, 1024), ByteRange(2, 3))])
def test_length_of_several_ranges_is_known_before(blob: BinaryIO, ranges: tuple[ByteRange, ...]) -> None:
    parts = Parts(blob, ranges, size=1024, content_type="text/plain")
    assert parts.length == len(b"".join(parts))


def test_parts_are_read_in_steps(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3 * STEP_BYTES))
    with io.FileIO(tmp_path / "large") as large:
        ranges = (ByteRange(1, 1 + 2 * STEP_BYTES), ByteRange(3 * STEP_BYTES - 5, 3 * STEP_BYTES))
        parts = Parts(cast(BinaryIO, large), ranges, size=3 * STEP_BYTES, content_type="text/plain")
        assert [len(piece) for piece in parts if piece.strip(b"\0") == b""] == [STEP_BYTES, STEP_BYTES, 5]


def test_boundary_is_new_each_time(blob: BinaryIO) -> None:
    ranges = ByteRange(0, 1), ByteRange(2, 3)
    made = [Parts(blob, ranges, size=1024, content_type="text/plain").content_type for _ in range(2)]
    assert made[0] != made[1]
