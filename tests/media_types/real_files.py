"""Makes about 150 small files by the real tools: ffmpeg, Pillow, pillow-heif, openpyxl, python-docx, Python itself."""

import bz2
import gzip
import io
import lzma
import sqlite3
import subprocess
import sys
import tarfile
import wave
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import docx
import openpyxl
import pillow_heif
from PIL import Image

FILM = ("-f", "lavfi", "-i", "testsrc=d=0.2:s=176x144:r=25")
SOUND = ("-f", "lavfi", "-i", "sine=d=0.2:r=8000")
PICTURE = ("-frames:v", "1", "-update", "1")
# By ffmpeg: the name of each file, and options before it.
FILMS: dict[str, tuple[str, ...]] = {
    **{f"film.{name}": () for name in (
        "mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "ts", "m2ts", "flv", "f4v", "wmv", "asf", "ogv", "ismv",
        "swf", "rm", "vob", "ivf", "mjpeg", "gif", "apng",
    )},
    "film.3gp": ("-c:v", "h263"),
    "film.3g2": ("-c:v", "h263"),
    "fragmented.mp4": ("-movflags", "frag_keyframe+empty_moov"),
    "faststart.mp4": ("-movflags", "faststart"),
    "film.m1v": (),
    "film.m2v": (),
    "film.y4m": ("-pix_fmt", "yuv420p"),
    "film.mxf": ("-c:v", "mpeg2video"),
}  # fmt: skip
SOUNDS: dict[str, tuple[str, ...]] = {
    **{f"sound.{name}": () for name in (
        "mp3", "mp2", "aac", "ac3", "eac3", "flac", "wav", "w64", "ogg", "oga", "opus", "spx", "aiff", "au", "caf",
        "m4a", "mka", "wma", "wv", "tta", "voc", "ra",
    )},
    "untagged.mp3": ("-write_xing", "0", "-id3v2_version", "0"),
    "mpeg1.mp3": ("-ar", "44100"),
    "large.wav": ("-rf64", "always"),
    "mulaw.wav": ("-c:a", "pcm_mulaw"),
    "sound.aifc": ("-f", "aiff", "-c:a", "pcm_mulaw"),
    "flac.oga": ("-c:a", "flac"),
}  # fmt: skip
SOUNDS["sound.weba"] = ("-f", "webm")
PICTURES: dict[str, tuple[str, ...]] = {
    f"picture.{name}": PICTURE for name in (
        "jpg", "png", "bmp", "tiff", "webp", "jp2", "j2k", "jxl", "avif", "ppm", "pgm", "pbm", "pam", "pcx", "tga",
        "sgi", "sun", "xbm", "xwd", "exr", "dpx", "qoi", "fits", "jls",
    )
}  # fmt: skip
# By Pillow: the name of each file, the mode of the picture, and options.
PILLOW: dict[str, tuple[str, dict[str, object]]] = {
    "pillow.png": ("RGBA", {}),
    "palette.png": ("P", {}),
    "pillow.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True}),
    "cmyk.jpg": ("CMYK", {}),
    "exif.jpg": ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    "pillow.gif": ("P", {}),
    "pillow.bmp": ("RGB", {}),
    "pillow.dib": ("RGB", {}),
    "pillow.ico": ("RGBA", {}),
    "bitmap.ico": ("RGBA", {"bitmap_format": "bmp"}),
    "pillow.tif": ("RGB", {}),
    "lzw.tif": ("RGB", {"compression": "tiff_lzw"}),
    "big.tif": ("RGB", {"big_tiff": True}),
    "pillow.webp": ("RGB", {}),
    "lossless.webp": ("RGBA", {"lossless": True}),
    "pillow.jp2": ("RGB", {}),
    "pillow.avif": ("RGB", {}),
    "pillow.pcx": ("RGB", {}),
    "pillow.tga": ("RGB", {}),
    "pillow.sgi": ("RGB", {}),
    "pillow.dds": ("RGBA", {}),
    "pillow.icns": ("RGBA", {}),
    "pillow.eps": ("RGB", {}),
    "pillow.pdf": ("RGB", {}),
    "pillow.xbm": ("1", {}),
    "pillow.msp": ("1", {}),
    "pillow.qoi": ("RGB", {}),
    "pillow.ppm": ("RGB", {}),
    "pillow.mpo": ("RGB", {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}),
}
TEXTS: dict[str, bytes] = {
    "ascii.txt": b"Nobody declared this.\n",
    "utf8.txt": "你好, naïve café\n".encode(),
    "bom.txt": "\ufeffnaïve\n".encode(),
    "utf16le.txt": "\ufeffnaïve\r\n".encode("utf-16-le"),
    "utf16be.txt": "\ufeffnaïve\r\n".encode("utf-16-be"),
    "latin1.txt": "naïve café, déjà vu\n".encode("latin-1"),
    "shiftjis.txt": "日本語のテキストです。\n".encode("shift-jis"),
    "table.csv": b"a,b,c\n1,2,3\n4,5,6\n",
    "excel.csv": "Größe;Menge\r\n1;2\r\n".encode("cp1252"),
    "data.json": b'{"a": [1, 2, 3]}\n',
    "page.html": b"<!DOCTYPE html>\n<html><head><title>x</title></head></html>\n",
    "feed.xml": b'<?xml version="1.0"?>\n<feed><title>x</title></feed>\n',
    "drawing.svg": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>\n',
    "style.css": b"body { color: red }\n",
    "code.js": b"'use strict';\nfunction f() { return 1; }\n",
    "code.ts": b"export const a: number = 1;\n",
    "readme.md": b"# Title\n\nText.\n",
    "letter.rtf": b"{\\rtf1\\ansi Hello}\n",
    "mail.eml": b"From: a@example.org\nTo: b@example.org\nSubject: x\n\nText\n",
    "card.vcf": b"BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD\n",
    "dates.ics": b"BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n",
    "words.vtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n",
    "list.m3u": b"#EXTM3U\n#EXTINF:1,one\none.mp3\n",
    "track.gpx": b'<?xml version="1.0"?>\n<gpx version="1.1"/>\n',
    "icon.xpm": b'/* XPM */\nstatic char *dot[] = {\n"1 1 1 1",\n"a c #000000",\n"a"};\n',
    "ascii.pbm": b"P1\n# dot\n1 1\n1\n",
    "bmw.txt": b"BMW or bicycle? GIFT or MZ?\n",
    "empty": b"",
}
# By hand, where there is no tool here.
HEADS: dict[str, bytes] = {
    "sound.mid": b"MThd\x00\x00\x00\x06\x00\x01\x00\x02\x01\xe0MTrk\x00\x00\x00\x04\x00\xff\x2f\x00",
    "sound.amr": b"#!AMR\n\x3c\x08\x00\x00",
    "voice.awb": b"#!AMR-WB\n\x3c\x08\x00\x00",
    "drawing.psd": b"8BPS\x00\x01" + bytes(6) + b"\x00\x03\x00\x00\x00\x08\x00\x00\x00\x08\x00\x08\x00\x03",
    "drawing.xcf": b"gimp xcf v011\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00\x00",
    "drawing.wmf": b"\xd7\xcd\xc6\x9a\x00\x00\x00\x00\x00\x00\x40\x00\x40\x00\x60\x00\x00\x00\x00\x00\x60\x56",
    "drawing.emf": b"\x01\x00\x00\x00\x6c\x00\x00\x00" + bytes(32) + b" EMF\x00\x00\x01\x00",
    "drawing.dwg": b"AC1032\x00\x00\x00\x00\x00\x00",
    "preview.eps": b"\xc5\xd0\xd3\xc6\x1e\x00\x00\x00\x40\x00\x00\x00",
    "letter.ps": b"%!PS-Adobe-3.0\nshowpage\n",
    "scan.djvu": b"AT&TFORM\x00\x00\x00\x20DJVUINFO\x00\x00\x00\x0a",
    "scan.dcm": bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\x00\x00\x00\x00",
    "photo.cr2": b"II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00",
    "photo.raf": b"FUJIFILMCCD-RAW 0201FF393101X100\x00",
    "photo.orf": b"IIRO\x08\x00\x00\x00",
    "photo.rw2": b"IIU\x00\x18\x00\x00\x00",
    "photo.jxr": b"II\xbc\x01\x20\x00\x00\x00",
    "photo.hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n\x02\x02\x00\x08",
    "film.flc": b"\x00\x10\x00\x00\x12\xaf\x02\x00\x40\x01\xc8\x00\x08\x00\x03\x00" + bytes(112),
    "model.glb": b"glTF\x02\x00\x00\x00\x20\x00\x00\x00",
    "font.woff": b"wOFF\x00\x01\x00\x00\x00\x00\x10\x00",
    "font.woff2": b"wOF2\x00\x01\x00\x00\x00\x00\x10\x00",
    "archive.7z": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24),
    "archive.rar": b"Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5",
    "archive.zst": b"\x28\xb5\x2f\xfd\x04\x58\x09\x00\x00abc",
    "program.exe": b"MZ\x90\x00\x03" + bytes(55) + b"\x40\x00\x00\x00PE\x00\x00\x4c\x01" + bytes(200),
    "program.wasm": b"\x00asm\x01\x00\x00\x00",
    "noise": b"\x93\xd1\x02\x00\x7f\xfe\xb8\x81\x00\x00\x99\xd7" * 40,
}


def make_files(directory: Path) -> dict[str, Path]:
    """Make all files in `directory`; returns their paths by name."""
    _run_ffmpeg(directory, FILM, FILMS)
    _run_ffmpeg(directory, SOUND, SOUNDS)
    _run_ffmpeg(directory, FILM, PICTURES)
    picture = Image.radial_gradient("L").resize((64, 64))
    for name, (mode, options) in PILLOW.items():
        picture.convert(mode).save(directory / name, **options)  # type: ignore[arg-type]
    pillow_heif.from_pillow(picture.convert("RGB")).save(directory / "photo.heic")
    for name, content in {**TEXTS, **HEADS}.items():
        (directory / name).write_bytes(content)
    _make_documents(directory)
    _make_archives(directory)
    return {path.name: path for path in directory.iterdir()}


def _run_ffmpeg(directory: Path, source: tuple[str, ...], outputs: dict[str, tuple[str, ...]]) -> None:
    arguments = [argument for name, options in outputs.items() for argument in (*options, name)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *arguments], cwd=directory, check=True)


def _make_documents(directory: Path) -> None:
    openpyxl.Workbook().save(directory / "sheet.xlsx")
    docx.Document().save(str(directory / "letter.docx"))
    for name, kind in (
        ("letter.odt", "application/vnd.oasis.opendocument.text"),
        ("sheet.ods", "application/vnd.oasis.opendocument.spreadsheet"),
        ("book.epub", "application/epub+zip"),
        ("drawing.ora", "image/openraster"),
    ):
        _zip(directory / name, {"mimetype": kind.encode(), "content.xml": b"<x/>"})
    with closing(sqlite3.connect(directory / "data.sqlite3")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS t (a)")


def _make_archives(directory: Path) -> None:
    _zip(directory / "archive.zip", {"a.txt": b"abc"})
    _zip(directory / "empty.zip", {})
    _zip(directory / "library.jar", {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "A.class": b"\xca\xfe"})
    _zip(directory / "place.kmz", {"doc.kml": b"<kml/>"})
    compressors: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    for name, compress in compressors.items():
        (directory / f"archive.{name}").write_bytes(compress(b"abc" * 100))
    with tarfile.open(directory / "archive.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    with wave.open(str(directory / "python.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(100))
    head = bytearray(Path(sys.executable).resolve().read_bytes()[:8192])
    head[16:18] = b"\x02\x00"  # ET_EXEC (elf(5)); how this Python was built decides it, and its name in libmagic
    (directory / "program").write_bytes(head)


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
