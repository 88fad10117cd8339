"""Each refusal has a code of its own, stands in the tree that is drawn, and becomes a problem document."""

import re

import pytest

from storage_app import errors
from storage_app.errors import (
    BucketNotFound,
    FileNotFound,
    InvalidCredential,
    RangeNotSatisfiable,
    StorageError,
    TooLarge,
    TooManyUploads,
    Unauthenticated,
    Unavailable,
)
from tests.support.error_tree import STARTING, every_error
from tests.support.raw_http import assert_sentence


def drawn() -> list[tuple[int, str, str, str]]:
    """Return depth, class, status and code of each line of the tree in the module's docstring."""
    lines = re.findall(r"^([│├└─ ]*)(\w+) +(-|\d{3}) +(\w+)", errors.__doc__ or "", re.MULTILINE)
    return [(len(branch) // 4, name, status, code) for branch, name, status, code in lines]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in every_error()]
    assert sorted(codes) == sorted(set(codes))


def test_tree_that_is_drawn_is_the_tree() -> None:
    assert [name for _, name, _, _ in drawn()] == [each.__name__ for each in every_error()]
    for (depth, name, status, code), each in zip(drawn(), every_error(), strict=True):
        assert (name, depth) == (name, each.__mro__.index(StorageError))
        if each not in STARTING:
            assert (name, status, code) == (name, str(each.status), each.code)


def test_problem_has_the_phrase_of_its_status_and_its_members() -> None:
    error = TooLarge("It is too large.", members={"limit": 7})
    assert error.problem("id-1") == {
        "type": "about:blank",
        "title": "Content Too Large",
        "status": 413,
        "detail": "It is too large.",
        "code": "too_large",
        "request_id": "id-1",
        "limit": 7,
    }
    other = error.problem("id-2", 431)
    assert (other["status"], other["title"]) == (431, "Request Header Fields Too Large")


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
        (507, "Insufficient Storage"),
    ],
)
def test_title_is_the_phrase_of_rfc_9110_in_every_python(status: int, title: str) -> None:
    assert StorageError("It failed.").problem("id-1", status)["title"] == title


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (StorageError("It failed."), {}),
        (Unauthenticated("Log in."), {"WWW-Authenticate": "Bearer"}),
        (InvalidCredential("It has expired."), {"WWW-Authenticate": 'Bearer error="invalid_token"'}),
        (RangeNotSatisfiable(7), {"Content-Range": "bytes */7", "Accept-Ranges": "bytes"}),
        (Unavailable("Try again."), {"Retry-After": "1"}),
        (TooManyUploads("Try again.", retry_after=5), {"Retry-After": "5"}),
    ],
)
def test_refusal_brings_the_headers_that_its_status_requires(error: StorageError, headers: dict[str, str]) -> None:
    assert error.headers == headers


@pytest.mark.parametrize("error", [BucketNotFound("photos"), FileNotFound("photos", "a.txt"), RangeNotSatisfiable(7)])
def test_message_that_is_always_the_same_is_a_sentence(error: StorageError) -> None:
    assert_sentence(error.detail)
    assert str(error) == error.detail
