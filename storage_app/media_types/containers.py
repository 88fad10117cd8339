"""Formats that need more than a signature: containers, whose type is inside, and streams of frames."""

import re

from . import signatures as known

_ADTS_HEADER_BYTES = 7
# Bitrates in kbit/s of MPEG audio by the four bits in a frame's header, for MPEG 1 and 2, and layers 2 and 3 (ISO/IEC
# 11172-3 section 2.4.2.3, 13818-3 section 2.4.2.3).
_BITRATES = {
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44_100, 48_000, 32_000)

_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_VIDEO_IN_OGG = re.compile(rb"\x80theora|BBCD\x00|\x01video\x00|\x80daala|OVP80")
_PORTABLE_ANYMAP = re.compile(rb"P([1-6])\s(?:\s*#[^\n]*\n)*\s*\d+\s+\d+\s|P(7)\nWIDTH ")


def iso_media(head: bytes) -> str | None:
    """Look at the first box of an ISO base media file (ISO/IEC 14496-12), of which MP4, HEIF and 3GPP are kinds."""
    size, kind = int.from_bytes(head[:4]), head[4:8]
    if kind in known.QUICKTIME_BOXES:
        return "video/quicktime"
    if kind in known.SEGMENT_BOXES:
        return "video/mp4"
    if kind != b"ftyp":
        return None
    box = head[:size]
    major, others = box[8:12], [box[i : i + 4] for i in range(16, len(box), 4)]
    if major in known.IMAGE_BRANDS:
        return next((known.BRANDS[brand] for brand in others if brand in known.BRANDS), "image/heif")
    return known.BRANDS.get(major, "video/3gpp" if major.startswith(b"3g") else "video/mp4")


def jpeg_2000(head: bytes) -> str:
    return known.JPEG_2000.get(head[20:24], "image/jp2")


def riff(head: bytes) -> str | None:
    return known.RIFF.get(head[8:12])


def iff(head: bytes) -> str | None:
    return known.IFF.get(head[8:12])


def djvu(head: bytes) -> str | None:
    return "image/vnd.djvu" if head[12:15] == b"DJV" else None


def matroska(head: bytes) -> str:
    """Read the DocType (RFC 8794 section 11.2.6). A WebM file is one of Matroska with that name."""
    place = head.find(b"\x42\x82", 4, 64)
    return "video/webm" if place > 0 and head[place + 3 : place + 7] == b"webm" else "video/x-matroska"


def ogg(head: bytes) -> str:
    """Tell film from sound by the headers of its streams, which are at the beginning (RFC 5334 section 10)."""
    return "video/ogg" if _VIDEO_IN_OGG.search(head, 0, 1024) else "audio/ogg"


def asf(head: bytes) -> str:
    if _ASF_VIDEO in head:
        return "video/x-ms-wmv"
    return "audio/x-ms-wma" if _ASF_AUDIO in head else "video/x-ms-asf"


def icon(head: bytes) -> str | None:
    """Recognize an icon or a cursor by its directory: its signature of four bytes is too common."""
    count = int.from_bytes(head[4:6], "little")
    if not 0 < count <= 256 or head[9:10] not in (b"", b"\x00", b"\xff"):
        return None
    return "image/x-icon" if head[2] == 1 else "image/x-cursor"


def pcx(head: bytes) -> str | None:
    is_pcx = len(head) > 3 and head[1] in (0, 2, 3, 4, 5) and head[2] == 1 and head[3] in (1, 2, 4, 8)
    return "image/vnd.zbrush.pcx" if is_pcx else None


def animator(head: bytes) -> str | None:
    return (
        "video/x-fli" if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[14:16] in (b"\x03\x00", b"\x00\x00") else None
    )


def portable_anymap(head: bytes) -> str | None:
    match = _PORTABLE_ANYMAP.match(head)
    return None if match is None else known.PORTABLE_ANYMAPS[match[1] or match[2]]


def zipped(head: bytes) -> str:
    """Look for the type of a document: in its first file, called mimetype, or by the names of its files."""
    names = list(_zipped_files(head))
    if names and names[0][0] == b"mimetype":
        start = names[0][1]
        kind = re.match(rb"application/[a-z0-9.+-]+|image/openraster", head[start : start + 100])
        return kind[0].decode() if kind else "application/zip"
    found = (kind for name, _ in names for key, kind in known.ZIPPED_NAMES.items() if name.startswith(key))
    return next(found, "application/zip")


def _zipped_files(head: bytes) -> list[tuple[bytes, int]]:
    """Return the names of the files that begin within `head`, and where their bytes do (APPNOTE.TXT section 4.3.7)."""
    files, place = [], 0
    while place >= 0:
        name_length = int.from_bytes(head[place + 26 : place + 28], "little")
        extra_length = int.from_bytes(head[place + 28 : place + 30], "little")
        start = place + 30 + name_length
        files.append((head[place + 30 : start], start + extra_length))
        place = head.find(b"PK\x03\x04", place + 4)
    return files


def compound(head: bytes) -> str:
    """Look for the main stream of a document in its directory ([MS-CFB] section 2.6.1), if that is within `head`."""
    found = (kind for name, kind in known.COMPOUND_STREAMS.items() if name.encode("utf-16-le") in head)
    return next(found, "application/x-ole-storage")


def transport_stream(head: bytes) -> str | None:
    """Recognize MPEG-TS by the sync byte of each packet (ISO/IEC 13818-1 section 2.4.3.2), with Blu-ray's times too."""
    for start, step in ((0, 188), (4, 192)):
        syncs = head[start::step]
        if len(syncs) > 2 and syncs.count(b"G") == len(syncs):
            return "video/mp2t"
    return None


def tag_bytes(head: bytes) -> int:
    """Return the length of an ID3v2 tag with its header (ID3v2.4.0 section 3.1)."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def frames(head: bytes) -> str | None:
    """Recognize a stream of MPEG audio, AAC (ADTS) or AC-3. The next frame must begin where the first one ends."""
    if head.startswith(b"\x0b\x77"):
        return None if len(head) < 6 else "audio/eac3" if head[5] >> 3 > 10 else "audio/ac3"
    if len(head) < _ADTS_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    is_adts = head[1] & 0xF6 == 0xF0
    length = _adts_length(head) if is_adts else _mpeg_audio_length(head)
    if length == 0 or (len(head) > length + 1 and not (head[length] == 0xFF and head[length + 1] & 0xE0 == 0xE0)):
        return None
    return "audio/aac" if is_adts else "audio/mpeg"


def _adts_length(head: bytes) -> int:
    """Return the length of an ADTS frame (ISO/IEC 14496-3 section 1.A.2.2), 0 if it is none."""
    if head[2] >> 2 & 0xF > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > _ADTS_HEADER_BYTES else 0


def _mpeg_audio_length(head: bytes) -> int:
    """Return the length of a frame of MPEG audio (ISO/IEC 11172-3 section 2.4.3.1), 0 if it is none.

    Layer 1 is left out: nobody uses it, and UTF-16 text begins like it. MPEG 2.5 is a version without a standard, at
    half the rates of MPEG 2.
    """
    version_bits, layer_bits = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version_bits == 1 or layer_bits not in (1, 2) or not 0 < bitrate < 15 or rate == 3:
        return 0
    version, layer, padding = (1 if version_bits == 3 else 2), 4 - layer_bits, head[2] >> 1 & 1
    bits = _BITRATES[version, layer][bitrate - 1] * 1000
    hertz = _SAMPLE_RATES[rate] // {3: 1, 2: 2, 0: 4}[version_bits]
    return (72 if layer == 3 and version == 2 else 144) * bits // hertz + padding
