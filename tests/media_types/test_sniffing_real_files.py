"""What about 190 real files are found to be, beside what libmagic says of them; every difference has a reason."""

import subprocess
from pathlib import Path

import pytest

from storage_app.media_types import Decision, decide
from storage_app.media_types.carriers import TEXTUAL
from storage_app.media_types.names import canonical, essence
from storage_app.media_types.sniffing import HEAD_BYTES
from tests.media_types.real_files import FILMS, PICTURES, SOUNDS, make_files

# The files that `file` calls by another type than we, when neither knows a name: by reason.
DIFFERENCES: dict[str, dict[str, str]] = {
    "libmagic does not know it, or less of it": {
        "film.f4v": "video/mp4",
        "film.ivf": "video/x-ivf",
        "film.m2ts": "video/mp2t",
        "film.ts": "video/mp2t",
        "film.y4m": "video/x-yuv4mpeg",
        "drawing.emf": "image/emf",
        "drawing.ora": "image/openraster",
        "library.jar": "application/java-archive",
        "photo.hdr": "image/vnd.radiance",
        "photo.rw2": "image/x-panasonic-rw2",
        "picture.jls": "image/jls",
        "picture.sgi": "image/x-sgi",
        "picture.sun": "image/x-sun-raster",
        "pillow.dds": "image/x-dds",
        "pillow.sgi": "image/x-sgi",
        "place.kmz": "application/vnd.google-earth.kmz",
        "sound.caf": "audio/x-caf",
        "sound.eac3": "audio/eac3",
        "sound.tta": "audio/x-tta",
        "sound.voc": "audio/x-voc",
        "sound.wv": "audio/x-wavpack",
        "voice.awb": "audio/amr-wb",
    },
    "we look for the streams inside": {
        "film.asf": "video/x-ms-wmv",
        "film.wmv": "video/x-ms-wmv",
        "sound.wma": "audio/x-ms-wma",
    },
    "text is not called by its syntax: only a declaration or a name makes it something that could run": dict.fromkeys(
        (
            "card.vcf", "code.js", "code.ts", "data.json", "dates.ics", "drawing.svg", "feed.xml", "mail.eml",
            "page.html", "table.csv", "track.gpx", "words.vtt",
        ),
        "text/plain; charset=utf-8",
    ),
    "text in an encoding that nobody can tell is any bytes": {
        "excel.csv": "application/octet-stream",
        "latin1.txt": "application/octet-stream",
        "shiftjis.txt": "application/octet-stream",
    },
    "it has no signature, and libmagic guesses": {
        "picture.tga": "application/octet-stream",
        "picture.xwd": "application/octet-stream",
        "pillow.dib": "application/octet-stream",
        "pillow.tga": "application/octet-stream",
    },
    "libmagic's own name for nothing": {"empty": "application/octet-stream"},
}  # fmt: skip
DIFFERENT = {name: kind for files in DIFFERENCES.values() for name, kind in files.items()}
KINDS = ("image/", "audio/", "video/", "application/pdf")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def heads(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes()[:HEAD_BYTES] for name, path in files.items()}


def found(head: bytes, name: str = "") -> str:
    return decide(None, head, name).content_type


def test_file_is_what_libmagic_says_or_there_is_a_reason(files: dict[str, Path], heads: dict[str, bytes]) -> None:
    command = ["file", "--brief", "--mime-type", "--", *map(str, files.values())]
    theirs = dict(zip(files, subprocess.check_output(command, text=True).splitlines(), strict=True))
    ours = {name: found(head) for name, head in heads.items()}
    different = {name for name in files if canonical(theirs[name]) != canonical(essence(ours[name]))}
    assert {name: ours[name] for name in sorted(different)} == DIFFERENT
    assert len(files) > 150


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sound.weba", "audio/webm"),
        ("sound.mka", "audio/x-matroska"),
        ("sound.opus", "audio/opus"),
        ("picture.tga", "image/x-tga"),
        ("picture.xwd", "image/x-xwindowdump"),
        ("picture.xbm", "image/x-xbitmap"),
        ("drawing.svg", "image/svg+xml"),
        ("track.gpx", "application/gpx+xml"),
        ("code.ts", "text/plain; charset=utf-8"),
        ("excel.csv", "text/csv"),
        ("data.json", "application/json"),
        ("mail.eml", "message/rfc822"),
    ],
)
def test_name_says_the_rest(heads: dict[str, bytes], name: str, kind: str) -> None:
    assert found(heads[name], name) == kind


def test_declared_type_that_is_right_is_kept(heads: dict[str, bytes]) -> None:
    for name, head in heads.items():
        declared = essence(found(head, name))
        assert not decide(declared, head, name).contradicts, name


# Types, and the others as which a file of the type may be recognized.
DECLARED: dict[str, set[str]] = {
    "image/png": set(),
    "image/jpeg": {"image/jls"},
    "image/tiff": set(),
    "image/bmp": set(),
    "image/jxl": set(),
    "image/avif": set(),
    "image/x-exr": set(),
    "audio/flac": {"audio/ogg", "audio/mpeg"},
    "audio/x-caf": set(),
    "audio/wav": {"audio/mpeg"},
    "video/mp4": {"video/quicktime", "video/x-m4v", "video/3gpp", "video/3gpp2", "audio/mp4"},
    "video/webm": {"video/x-matroska"},
    "video/x-msvideo": set(),
    "video/x-ivf": set(),
    "application/pdf": set(),
}


@pytest.mark.parametrize("kind", DECLARED)
def test_declared_type_that_is_wrong_is_found(heads: dict[str, bytes], kind: str) -> None:
    others = ("program.exe", "utf8.txt", "utf16le.txt", "archive.7z", "noise")
    for name in (*FILMS, *SOUNDS, *PICTURES, *others):
        is_right = canonical(essence(found(heads[name]))) in {kind, *DECLARED[kind]}
        assert decide(kind, heads[name], "").contradicts is not is_right, name


@pytest.mark.parametrize("name", ["utf8.txt", "program.exe", "letter.docx", "archive.7z"])
def test_what_is_no_media_is_found_out_whatever_it_is_declared(heads: dict[str, bytes], name: str) -> None:
    media = {essence(found(head)) for head in heads.values() if found(head).startswith(KINDS)}
    kept = {kind for kind in media if not decide(kind, heads[name], "").contradicts}
    assert kept == (media & TEXTUAL if name == "utf8.txt" else set())
    assert len(media) > 50


def test_encapsulated_postscript_keeps_its_type(heads: dict[str, bytes]) -> None:
    for declared in ("image/x-eps", "image/eps", "application/postscript"):
        assert decide(declared, heads["pillow.eps"], "a.eps") == Decision(declared)
