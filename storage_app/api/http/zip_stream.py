"""A zip archive as a stream: entries are stored, so its length is known before its first byte.

The format is PKWARE's APPNOTE 6.3.10, whose sections are named here. The CRC of an entry is known only after its bytes,
so it follows them in a data descriptor (4.3.9).
"""

import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO
from zlib import crc32

from .byte_ranges import STEP_BYTES

MEDIA_TYPE = "application/zip"

_MAX_32, _MAX_16 = 0xFFFFFFFF, 0xFFFF
_VERSION, _ZIP64_VERSION = 20, 45  # needed to extract (4.4.3)
_UNIX = 3 << 8  # made by (4.4.2)
_FLAGS = 1 << 3 | 1 << 11  # a data descriptor; names in UTF-8 (4.4.4)
_MODE = 0o100644 << 16  # a regular file
_FIRST_TIME, _LAST_TIME = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)


class EntryGoneError(Exception):
    """The bytes of an entry are not there any more, or have another length, so the archive cannot be completed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive. `source` is what `open_source` is called with, `size` is in bytes."""

    name: str
    size: int
    modified: datetime
    source: str

    @property
    def is_large(self) -> bool:
        """Whether its sizes need Zip64."""
        return self.size >= _MAX_32


class ZipStream:
    """An archive of `entries`, of which at most one is open at a time. It can be iterated once.

    `open_source` opens the bytes of an entry; it may raise `FileNotFoundError`. Iterating raises `EntryGoneError` if an
    entry is not what `entries` says. The bytes sent until then are no valid archive.
    """

    def __init__(self, entries: Sequence[Entry], open_source: Callable[[str], BinaryIO]) -> None:
        self._entries = entries
        self._open_source = open_source

    @property
    def length(self) -> int:
        """The length of the archive in bytes."""
        offset, directory = 0, 0
        for entry in self._entries:
            directory += len(_directory_header(entry, 0, offset))
            offset += len(_local_header(entry)) + entry.size + len(_descriptor(entry, 0))
        return offset + directory + len(_end(len(self._entries), directory, offset))

    def __iter__(self) -> Iterator[bytes]:
        return _joined(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        offset = 0
        checksums: list[int] = []
        offsets: list[int] = []
        for entry in self._entries:
            offsets.append(offset)
            header = _local_header(entry)
            yield header
            checksum = yield from self._bytes_of(entry)
            checksums.append(checksum)
            descriptor = _descriptor(entry, checksum)
            yield descriptor
            offset += len(header) + entry.size + len(descriptor)
        size = 0
        for entry, checksum, start in zip(self._entries, checksums, offsets, strict=True):
            header = _directory_header(entry, checksum, start)
            size += len(header)
            yield header
        yield _end(len(self._entries), size, offset)

    def _bytes_of(self, entry: Entry) -> Generator[bytes, None, int]:
        """Yield the bytes of `entry`, and return their CRC."""
        checksum, left = 0, entry.size
        try:
            with self._open_source(entry.source) as source:
                while data := source.read(STEP_BYTES):
                    checksum = crc32(data, checksum)
                    left -= len(data)
                    if left < 0:
                        break
                    yield data
        except FileNotFoundError as error:
            raise EntryGoneError(entry.name) from error
        if left:
            raise EntryGoneError(entry.name)
        return checksum


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small `pieces`, because each one that is sent costs a system call."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= STEP_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _local_header(entry: Entry) -> bytes:
    """4.3.7, with sizes of zero, which the descriptor tells."""
    name, size = entry.name.encode(), _MAX_32 if entry.is_large else 0
    extra = (struct.pack("<HHQQ", 1, 16, 0, 0) if entry.is_large else b"") + _unix_time(entry.modified)
    fields = (_needed(entry.is_large), _FLAGS, 0, *_dos_time(entry.modified), 0, size, size, len(name), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + extra


def _descriptor(entry: Entry, checksum: int) -> bytes:
    """4.3.9; its sizes have 8 bytes if there is a Zip64 field in the local header."""
    return struct.pack("<4sLQQ" if entry.is_large else "<4s3L", b"PK\7\10", checksum, entry.size, entry.size)


def _directory_header(entry: Entry, checksum: int, offset: int) -> bytes:
    """Section 4.3.12. A number that does not fit its field is in a Zip64 field (section 4.5.3)."""
    name = entry.name.encode()
    wide = [entry.size, entry.size] if entry.is_large else []
    wide += [offset] if offset >= _MAX_32 else []
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    extra += _unix_time(entry.modified)
    needed, size = _needed(bool(wide)), min(entry.size, _MAX_32)
    times = _dos_time(entry.modified)
    fields = (_UNIX | needed, needed, _FLAGS, 0, *times, checksum, size, size, len(name), len(extra), 0, 0, 0, _MODE)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields, min(offset, _MAX_32)) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """4.3.16, after 4.3.14 and 4.3.15 if a number does not fit: the end of a directory of `size` bytes at `offset`."""
    wide = b""
    if count >= _MAX_16 or max(size, offset) >= _MAX_32:
        versions = (_UNIX | _ZIP64_VERSION, _ZIP64_VERSION)
        wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, *versions, 0, 0, count, count, size, offset)
        wide += struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
    shown = min(count, _MAX_16)
    return wide + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, shown, shown, min(size, _MAX_32), min(offset, _MAX_32), 0)


def _needed(is_wide: bool) -> int:
    return _ZIP64_VERSION if is_wide else _VERSION


def _dos_time(moment: datetime) -> tuple[int, int]:
    """4.4.6, in UTC. It has steps of two seconds."""
    at = min(max(moment.astimezone(UTC), _FIRST_TIME), _LAST_TIME)
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day


def _unix_time(moment: datetime) -> bytes:
    """Info-ZIP's extended timestamp, in seconds since the epoch: a DOS time does not tell its zone."""
    return struct.pack("<HHBl", 0x5455, 5, 1, min(max(int(moment.timestamp()), 0), 0x7FFFFFFF))
