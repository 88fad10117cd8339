"""Targets of uploads: what a right allows there, and which upload repeats the one that made the file."""

from datetime import timedelta
from typing import Any

import pytest

from storage_app.domain.files import WriteConditions
from storage_app.domain.principals import Replace, UploadRight
from storage_app.errors import FileExists, Forbidden, PreconditionFailed, StorageError
from storage_app.services.upload_targets import Content, Target, check_target, repeats
from tests.services.upload_requests import ALL, THERE, a_request, a_target
from tests.support.core import A_TIME, a_bucket, a_file

OTHER = frozenset(['"other"'])
ANY = frozenset(["*"])
UNKNOWN = Content(None, frozenset())


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
    assert Target(a_bucket(), right).is_allowed is creates
    assert Target(a_bucket(), right, a_file(owner_id="bob")).is_allowed is replaces_own
    assert Target(a_bucket(), right, a_file(owner_id="alice")).is_allowed is replaces_others


def test_who_may_do_nothing_with_a_key_learns_nothing_about_it() -> None:
    """Only own uploads may be replaced here: a file of another and no file answer the same, conditions or not."""
    details = set()
    for existing in (THERE, None):
        for conditions in (WriteConditions(), WriteConditions(if_match=OTHER), WriteConditions(if_none_match=ANY)):
            target = a_target(existing, right=UploadRight("carol", False, Replace.OWN))
            with pytest.raises(Forbidden) as refused:
                check_target(a_request(conditions=conditions), "a.txt", target, UNKNOWN)
            details.add(refused.value.detail)
    assert len(details) == 1


@pytest.mark.parametrize(
    ("conditions", "there", "holds"),
    [
        (WriteConditions(if_none_match=ANY), False, True),
        (WriteConditions(if_none_match=ANY), True, False),
        (WriteConditions(if_match=ANY), False, False),
        (WriteConditions(if_match=ANY), True, True),
        (WriteConditions(if_match=OTHER), True, False),
    ],
)
def test_conditions_decide(conditions: WriteConditions, there: bool, holds: bool) -> None:
    target = a_target(THERE if there else None)
    if holds:
        check_target(a_request(conditions=conditions), "a.txt", target, UNKNOWN)
    else:
        with pytest.raises(PreconditionFailed):
            check_target(a_request(conditions=conditions, overwrite=False), "a.txt", target, UNKNOWN)


BYTES = Content(THERE.size, frozenset([THERE.sha256]))
EDITED = A_TIME + timedelta(microseconds=1)
BOBS = UploadRight("bob", True, Replace.ANY)


@pytest.mark.parametrize(
    ("file", "content", "right", "by_link", "expected"),
    [
        ({}, BYTES, ALL, True, True),
        ({}, UNKNOWN, ALL, True, True),
        ({}, Content(60, frozenset()), ALL, True, True),
        ({}, Content(59, frozenset()), ALL, True, False),
        ({}, Content(None, frozenset(["00" * 32])), ALL, True, False),
        ({}, Content(60, frozenset([THERE.sha256, "00" * 32])), ALL, True, False),
        ({"updated_at": EDITED}, BYTES, ALL, True, False),
        ({"owner_id": "bob"}, BYTES, ALL, True, False),
        ({"owner_id": "bob"}, BYTES, BOBS, True, True),
        ({}, BYTES, ALL, False, False),
    ],
)
def test_upload_repeats_the_one_whose_outcome_it_could_be(
    file: dict[str, Any], content: Content, right: UploadRight, by_link: bool, expected: bool
) -> None:
    existing = a_file("a.txt", **{"size": 60} | file)
    assert repeats(a_request(by_link=by_link), a_target(existing, right=right), content) is expected


def test_first_upload_repeats_nothing() -> None:
    assert not repeats(a_request(by_link=True), a_target(), BYTES)


CREATE_ONLY = UploadRight("alice", True, Replace.NONE)


@pytest.mark.parametrize(
    ("overwrite", "right", "by_link", "refusal", "sentence"),
    [
        (False, ALL, False, FileExists, "There is a file 'a.txt' already; choose another id, or pass overwrite=true."),
        (True, CREATE_ONLY, False, Forbidden, "You may not replace 'a.txt', which somebody else uploaded"),
        (False, ALL, True, FileExists, "The signed URL has been used, or 'a.txt' was uploaded in another way since"),
        (True, CREATE_ONLY, True, Forbidden, "The signed URL has been used, or 'a.txt' was uploaded in another way"),
    ],
)
def test_refusal_names_the_way_out(
    overwrite: bool, right: UploadRight, by_link: bool, refusal: type[StorageError], sentence: str
) -> None:
    request = a_request(overwrite=overwrite, by_link=by_link)
    with pytest.raises(refusal) as refused:
        check_target(request, "a.txt", a_target(THERE, right=right), Content(59, frozenset()))
    assert refused.value.detail.startswith(sentence)
