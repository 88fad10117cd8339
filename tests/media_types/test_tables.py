"""The tables of content types agree with each other."""

import mimetypes
import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.media_types import UNKNOWN
from storage_app.media_types.names import normalize
from storage_app.media_types.tables import (
    ALIASES,
    BY_EXTENSION,
    CARRIED_BY,
    ID3,
    ISO_MEDIA,
    MATROSKA,
    MODERN,
    TEXT_SIGNATURES,
    UNDECLARED,
    WRAPPERS,
    ZIPPED,
)


def test_names_mean_the_same_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / "mime.types").write_text("image/png txt\nvideo/mp4 xyzzy\n")
    program = (
        f"import mimetypes; mimetypes.init([{str(tmp_path / 'mime.types')!r}]); "
        "assert mimetypes.guess_type('a.xyzzy')[0] == 'video/mp4'; "
        "from storage_app.media_types import decide; "
        "print(decide(None, b'', 'a.txt').content_type, decide(None, b'', 'a.xyzzy').content_type)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["text/plain", UNKNOWN]
    assert mimetypes.guess_type("a.xyzzy")[0] is None


def test_alias_stands_for_a_name_that_is_none_itself() -> None:
    assert set(ALIASES.values()) & set(ALIASES) == set()


@pytest.mark.parametrize(
    ("table", "types"),
    [
        ("names by extension", set(BY_EXTENSION.values())),
        ("text signatures", {kind for _, kind in TEXT_SIGNATURES}),
        ("current names", set(MODERN.values())),
        ("aliased names", set(ALIASES.values())),
        ("carried types", set(CARRIED_BY)),
        ("carrying types", {kind for kinds in CARRIED_BY.values() for kind in kinds}),
        ("undeclared", set(UNDECLARED)),
        ("wrappers", set(WRAPPERS)),
        ("zipped", set(ZIPPED)),
    ],
)
def test_types_are_in_normal_form(table: str, types: set[str]) -> None:
    assert {kind for kind in types if normalize(kind) != kind} == set()


def test_carried_type_is_our_name_for_it() -> None:
    """A declared alias is looked up by the name that it stands for."""
    assert set(CARRIED_BY) & set(ALIASES) == set()


@pytest.mark.parametrize("kind", sorted(set(CARRIED_BY) & (ISO_MEDIA | MATROSKA | ID3)))
def test_container_carries_its_own_type(kind: str) -> None:
    assert kind in CARRIED_BY[kind]


def test_extensions_are_lower_case_and_have_their_dot() -> None:
    assert [name for name in BY_EXTENSION if not name.startswith(".") or name != name.lower()] == []


@pytest.mark.parametrize(
    ("extension", "content_type"), [(".webp", "image/webp"), (".js", "text/javascript"), (".mjs", "text/javascript")]
)
def test_extension_has_its_current_type(extension: str, content_type: str) -> None:
    assert BY_EXTENSION[extension] == content_type
