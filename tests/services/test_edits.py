"""Changes of attributes: each given one replaces that of the file, by the rules for uploads."""

from collections.abc import Mapping
from typing import Any

import pytest

from storage_app.errors import ContentTypeNotAllowed, InvalidName, InvalidRequest, StorageError
from storage_app.services.edits import edited
from tests.support.core import a_bucket, a_file

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
FILE = a_file("a/b.txt", filename="cat.txt", metadata={"album": "cats"}, cache_control="no-store")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"filename": "dog.txt"}, {"filename": "dog.txt"}),
        ({"filename": None}, {"filename": "a/b.txt"}),
        ({"cache_control": None}, {"cache_control": None}),
        ({"content_type": "image/jpeg"}, {"content_type": "image/png"}),
        ({"content_type": "application/x-mine"}, {"content_type": "application/x-mine"}),
    ],
)
def test_given_attribute_replaces_that_of_the_file(changes: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    file = edited(FILE, changes, a_bucket(), lambda: PNG)
    names = ("filename", "content_type", "metadata", "cache_control")
    assert {name: getattr(file, name) for name in names} == {
        **{name: getattr(FILE, name) for name in names},
        **expected,
    }


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        ({"metadata": {"a": "x" * 20_000}}, InvalidRequest),
        ({"filename": "a\nb"}, InvalidName),
        ({"content_type": "image/jpeg"}, ContentTypeNotAllowed),
        ({"content_type": "text/plain"}, ContentTypeNotAllowed),
    ],
)
def test_wrong_attribute_is_refused(changes: Mapping[str, Any], raised: type[StorageError]) -> None:
    with pytest.raises(raised):
        edited(FILE, changes, a_bucket(allowed_content_types=("image/*",)), lambda: PNG)


def test_bytes_are_read_only_for_a_content_type() -> None:
    edited(FILE, {"filename": "b", "metadata": {}, "cache_control": None}, a_bucket(), lambda: pytest.fail("read"))
