"""The names of files in an archive: none of them leads out of the folder that the archive is extracted to."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

# Windows takes these for devices, in any folder, in any case and with any extension.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)
_DRIVE = re.compile(r"^([A-Za-z]):")
_END = re.compile(r"[ .]+$")


def entry_names(keys: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield the name of each of the `keys`, which begin with `prefix`: the part behind the last `/` of the prefix.

    Characters that Windows would leave out, or take for a separator, a drive or a device, become `_`. A name that is
    taken, by another file or by a folder, gets a number.
    """
    names = [safe_name(key[prefix.rfind("/") + 1 :]) for key in keys]
    taken = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    for name in names:
        free = next(each for each in _numbered(name) if each not in taken)
        taken.add(free)
        yield free


def safe_name(key: str) -> str:
    """Return `key` as the name of an entry."""
    return "/".join(map(_safe_segment, key.replace("\\", "_").split("/")))


def _safe_segment(segment: str) -> str:
    segment = _DRIVE.sub(r"\1_", segment)
    segment = _END.sub(lambda end: "_" * len(end[0]), segment)
    return f"_{segment}" if _DEVICE.match(segment) else segment


def _numbered(name: str) -> Iterator[str]:
    """Yield `a/b.jpg`, `a/b (2).jpg`, `a/b (3).jpg` and so on."""
    yield name
    folder, slash, last = name.rpartition("/")
    stem, dot, extension = last.rpartition(".") if "." in last[1:] else (last, "", "")
    number = 2
    while True:
        yield f"{folder}{slash}{stem} ({number}){dot}{extension}"
        number += 1
