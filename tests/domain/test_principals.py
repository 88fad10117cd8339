"""Ids of users, and rights of uploads: what may be created, and whose files may be replaced."""

import pytest

from storage_app.domain.principals import Replace, UploadRight, is_sub
from tests.support.core import a_file


@pytest.mark.parametrize(
    ("create", "replaces", "creates", "replaces_own", "replaces_others"),
    [
        (True, Replace.ANY, True, True, True),
        (True, Replace.OWN, True, True, False),
        (True, Replace.NONE, True, False, False),
        (False, Replace.ANY, False, True, True),
        (False, Replace.OWN, False, True, False),
        (False, Replace.NONE, False, False, False),
    ],
)
def test_right_allows_what_it_says(
    create: bool, replaces: Replace, creates: bool, replaces_own: bool, replaces_others: bool
) -> None:
    right = UploadRight("bob", create, replaces)
    assert right.allows(None) is creates
    assert right.allows(a_file(owner_id="bob")) is replaces_own
    assert right.allows(a_file(owner_id="alice")) is replaces_others


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice@example.com", True),
        ("a b", True),
        ("x" * 255, True),
        ("é" * 127, True),
        ("", False),
        ("x" * 256, False),
        ("é" * 128, False),
        ("a\nb", False),
        ("\ud800", False),
    ],
)
def test_id_of_a_user_is_short_and_printable(text: str, expected: bool) -> None:
    assert is_sub(text) is expected
