"""Lookups: one order of 401, 404 and 403, whoever asks for whatever."""

from collections.abc import Iterator

import pytest

from storage_app.auth.permissions import DEFAULT_POLICY, Action, Policy
from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.errors import (
    BucketNotFound,
    FileNotFound,
    Forbidden,
    InvalidName,
    StorageError,
    Unauthenticated,
)
from storage_app.index import Index
from storage_app.services.lookups import Lookups, refusal
from tests.support.core import ALICE, BOB, CAROL, a_bucket, a_file

PRIVATE = a_bucket("private", grants={"carol": Grant.READ})
PUBLIC = a_bucket("public", is_public=True)
FILE = a_file("a.txt", bucket_uid=PRIVATE.uid)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = Index(tmp_path_factory.mktemp("index") / "index.sqlite3")
    index.create()
    with index.fill() as transaction:
        transaction.complete()
        for bucket in (PRIVATE, PUBLIC):
            transaction.put_bucket(bucket)
        transaction.put_file(FILE, None)
    yield index
    index.close()


@pytest.fixture
def lookups(index: Index) -> Lookups:
    return Lookups(index, DEFAULT_POLICY)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(("principal", "status"), [(NOBODY, 401), (ANONYMOUS, 403), (BOB, 403)])
def test_refusal_names_the_deed(principal: Principal, action: Action, status: int) -> None:
    error = refusal(principal, action)
    assert error.status == status
    assert error.detail.startswith("A credential is needed to " if status == 401 else "You may not ")


@pytest.mark.parametrize("action", Action)
def test_grant_is_the_way_out_only_for_users_of_a_bucket(action: Action) -> None:
    of_a_bucket = action not in (Action.CREATE_BUCKET, Action.LIST_BUCKETS)
    assert ("ask the bucket's owner for a grant" in refusal(BOB, action).detail) is of_a_bucket
    assert "log in as a user" in refusal(ANONYMOUS, action).detail
    assert "grant" not in refusal(ANONYMOUS, action).detail


@pytest.mark.parametrize(
    ("principal", "name", "action", "found"),
    [
        (ALICE, "private", None, PRIVATE),
        (BOB, "private", None, PRIVATE),
        (ALICE, "private", Action.CHANGE_BUCKET, PRIVATE),
        (CAROL, "private", Action.SEE_BUCKET, PRIVATE),
        (CAROL, "private", Action.CHANGE_BUCKET, Forbidden),
        (BOB, "private", Action.SEE_BUCKET, Forbidden),
        (BOB, "missing", Action.SEE_BUCKET, BucketNotFound),
        (BOB, "missing", None, BucketNotFound),
        (NOBODY, "private", Action.SEE_BUCKET, Unauthenticated),
        (NOBODY, "missing", Action.SEE_BUCKET, Unauthenticated),
        (NOBODY, "missing", None, Unauthenticated),
        (NOBODY, "No Name", None, InvalidName),
    ],
)
def test_bucket_is_found_by_who_may(
    lookups: Lookups, principal: Principal, name: str, action: Action | None, found: object
) -> None:
    if isinstance(found, type):
        with pytest.raises(found):
            lookups.bucket(principal, name, action)
    else:
        assert lookups.bucket(principal, name, action) == (found, Totals(1, FILE.size))


@pytest.mark.parametrize(
    ("principal", "bucket", "key", "refused"),
    [
        (ALICE, "private", "a.txt", None),
        (CAROL, "private", "a.txt", None),
        (CAROL, "private", "none", FileNotFound),
        (BOB, "private", "a.txt", Forbidden),
        (BOB, "private", "none", Forbidden),
        (BOB, "public", "none", FileNotFound),
        (BOB, "missing", "a.txt", BucketNotFound),
        (NOBODY, "private", "a.txt", Unauthenticated),
        (NOBODY, "missing", "a.txt", Unauthenticated),
        # A key that no file can have is told of after a bucket that is missing, whose error comes first.
        (BOB, "missing", "../a", BucketNotFound),
        (NOBODY, "missing", "../a", Unauthenticated),
        (ALICE, "private", "../a", InvalidName),
        (BOB, "private", "../a", InvalidName),
    ],
)
def test_file_is_found_by_who_may_read_it(
    lookups: Lookups, principal: Principal, bucket: str, key: str, refused: type[StorageError] | None
) -> None:
    if refused is None:
        assert lookups.file(principal, bucket, key, Action.READ_FILE) == (PRIVATE, FILE)
    else:
        with pytest.raises(refused):
            lookups.file(principal, bucket, key, Action.READ_FILE)


def test_bucket_and_what_is_at_a_key_are_looked_up_for_anybody(lookups: Lookups) -> None:
    assert lookups.bucket_and_file(NOBODY, "private", "a.txt") == (PRIVATE, FILE)
    assert lookups.bucket_and_file(NOBODY, "private", "none") == (PRIVATE, None)
    with pytest.raises(Unauthenticated):
        lookups.bucket_and_file(NOBODY, "missing", "a.txt")


@pytest.mark.parametrize("anonymous_uploads", [True, False])
def test_anonymous_may_upload_where_that_is_switched_on(index: Index, anonymous_uploads: bool) -> None:
    lookups = Lookups(index, Policy(anonymous_uploads))
    assert lookups.allowed(ANONYMOUS, Action.CREATE_FILE, PUBLIC) is anonymous_uploads
    assert not lookups.allowed(ANONYMOUS, Action.CREATE_FILE, PRIVATE)
