"""The tables of content types agree with each other."""

import mimetypes
import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.media_types import UNKNOWN
from storage_app.media_types.names import normalize
from storage_app.media_types.signatures import RECOGNIZED
from storage_app.media_types.tables import (
    ALIASES,
    BY_EXTENSION,
    CARRIED_BY,
    REFINED_BY,
    TEXTUAL,
    UNDECLARED,
    UNSIGNED,
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
        ("recognized types", set(RECOGNIZED)),
        ("aliased names", set(ALIASES.values())),
        ("carried types", set(CARRIED_BY)),
        ("carrying types", {kind for kinds in CARRIED_BY.values() for kind in kinds}),
        ("undeclared", set(UNDECLARED)),
        ("wrappers", set(WRAPPERS)),
        ("textual", set(TEXTUAL)),
        ("unsigned", set(UNSIGNED)),
        ("refining types", {kind for kinds in REFINED_BY.values() for kind in kinds}),
        ("zipped", set(ZIPPED)),
    ],
)
def test_types_are_in_normal_form(table: str, types: set[str]) -> None:
    assert {kind for kind in types if normalize(kind) != kind} == set()


@pytest.mark.parametrize(
    "table",
    [
        RECOGNIZED,
        set(CARRIED_BY) | {kind for kinds in CARRIED_BY.values() for kind in kinds},
        set(REFINED_BY) | {kind for kinds in REFINED_BY.values() for kind in kinds},
        TEXTUAL,
        UNSIGNED,
        WRAPPERS,
    ],
)
def test_tables_have_our_names_of_types(table: set[str]) -> None:
    """A declared alias is looked up by the name that it stands for."""
    assert set(table) & set(ALIASES) == set()


def test_files_can_be_recognized_as_what_carries_or_is_refined() -> None:
    carrying = {kind for kinds in CARRIED_BY.values() for kind in kinds}
    assert (carrying | set(REFINED_BY)) - RECOGNIZED == set()


def test_extensions_are_lower_case_and_have_their_dot() -> None:
    assert [name for name in BY_EXTENSION if not name.startswith(".") or name != name.lower()] == []


@pytest.mark.parametrize(
    ("extension", "content_type"), [(".webp", "image/webp"), (".js", "text/javascript"), (".mjs", "text/javascript")]
)
def test_extension_has_its_current_type(extension: str, content_type: str) -> None:
    assert BY_EXTENSION[extension] == content_type
