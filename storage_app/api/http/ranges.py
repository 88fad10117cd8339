"""The `Range` header: the parts of a file that a request asks for (RFC 9110 section 14)."""

import re
from dataclasses import dataclass

from ...errors import RangeNotSatisfiable

MAX_RANGES = 32

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_MAX_DIGITS = 20


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to but not including `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """Return the value of `Content-Range`, which includes the last byte (RFC 9110 section 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(header: str | None, size: int) -> tuple[ByteRange, ...] | None:
    """Return the ranges to send from a file of `size` bytes, or None for the whole file.

    Overlapping ranges are merged; the order of the request is kept. Raises `RangeNotSatisfiable` if the header is
    well-formed and no range overlaps the file.
    """
    specs = _specs(header)
    # Section 14.2: "A server MAY ignore the Range header field." No part of an empty file could be expressed in a
    # Content-Range (14.4), and clients that download in parts begin with bytes=0-.
    if specs is None or size == 0:
        return None
    satisfiable = [found for spec in specs if (found := _resolve(spec, size)) is not None]
    if not satisfiable:
        raise RangeNotSatisfiable(size)
    return _coalesced(satisfiable)


def range_header(ranges: tuple[ByteRange, ...]) -> str:
    """Return the `Range` that asks for exactly `ranges`."""
    return "bytes=" + ",".join(f"{span.start}-{span.stop - 1}" for span in ranges)


def _specs(header: str | None) -> list[tuple[int | None, int | None]] | None:
    """Return the pairs (first, last) of the header, or None if the header must be ignored."""
    if header is None:
        return None
    unit, equals, range_set = header.strip(" \t").partition("=")
    # Section 14.2: "An origin server MUST ignore a Range header field that contains a range unit it does not
    # understand." Section 14.1: unit names are case-insensitive.
    if not equals or unit.lower() != "bytes":
        return None
    # Section 5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
    elements = [element for part in range_set.split(",") if (element := part.strip(" \t"))]
    # Section 17.15: "servers ought to ignore, coalesce, or reject egregious range requests".
    if not 0 < len(elements) <= MAX_RANGES:
        return None
    specs = [_spec(element) for element in elements]
    # Section 14.2: "A server [...] MAY ignore or reject a Range header field that contains an invalid
    # ranges-specifier".
    return None if None in specs else [spec for spec in specs if spec is not None]


def _spec(element: str) -> tuple[int | None, int | None] | None:
    if not (match := _SPEC.fullmatch(element)) or element == "-":
        return None
    first, last = (_number(digits) if digits else None for digits in match.groups())
    # Section 14.1.1: "An int-range is invalid if the last-pos value is present and less than first-pos."
    if first is not None and last is not None and last < first:
        return None
    return first, last


def _number(digits: str) -> int:
    """Parse `digits`. There may be thousands, so a number beyond the size of any file is capped."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _resolve(spec: tuple[int | None, int | None], size: int) -> ByteRange | None:
    """Return the part of the file that `spec` selects, or None if it selects none (RFC 9110 section 14.1.2)."""
    first, last = spec
    if first is None:
        # "a suffix-range [...] is satisfiable if the suffix-length is non-zero"; "If the selected representation is
        # shorter than the specified suffix-length, the entire representation is used."
        return ByteRange(max(0, size - last), size) if last else None
    if first >= size:
        return None
    # "If the last-pos value is absent, or if the value is greater than or equal to the current length [...], the
    # byte range is interpreted as the remainder of the representation".
    return ByteRange(first, size if last is None else min(last + 1, size))


def _coalesced(ranges: list[ByteRange]) -> tuple[ByteRange, ...]:
    """Merge overlapping ranges, so that no byte is sent twice (RFC 9110 section 15.3.7.2).

    "the server SHOULD send the parts in the same order that the corresponding range-spec appeared": a merged range
    takes the place of its first member.
    """
    merged: list[tuple[int, ByteRange]] = []
    for place, span in sorted(enumerate(ranges), key=lambda item: item[1].start):
        if merged and span.start < merged[-1][1].stop:
            first_place, before = merged[-1]
            merged[-1] = min(place, first_place), ByteRange(before.start, max(before.stop, span.stop))
        else:
            merged.append((place, span))
    return tuple(span for _, span in sorted(merged, key=lambda item: item[0]))
