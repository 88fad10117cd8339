"""The tables of content types agree with each other."""

import mimetypes
import subprocess
import sys
from pathlib import Path

import pytest

from storage_app.media_types import UNKNOWN
from storage_app.media_types.names import normalize
from storage_app.media_types.tables import ALIASES, BY_EXTENSION, UNDECLARED


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
        ("aliased names", set(ALIASES.values())),
        ("undeclared", set(UNDECLARED)),
    ],
)
def test_types_are_in_normal_form(table: str, types: set[str]) -> None:
    assert {kind for kind in types if normalize(kind) != kind} == set()


def test_extensions_are_lower_case_and_have_their_dot() -> None:
    assert [name for name in BY_EXTENSION if not name.startswith(".") or name != name.lower()] == []


@pytest.mark.parametrize(
    ("extension", "content_type"), [(".webp", "image/webp"), (".js", "text/javascript"), (".mjs", "text/javascript")]
)
def test_extension_has_its_current_type(extension: str, content_type: str) -> None:
    assert BY_EXTENSION[extension] == content_type
