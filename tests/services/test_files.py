"""Files that are there: reading, editing, deleting, and who may."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from storage_app.auth.signed_urls import SignedDownload
from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.files import UNCONDITIONAL, File, WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.domain.times import now
from storage_app.domain.uploads import FileAttributes
from storage_app.errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    DamagedFile,
    FileNotFound,
    Forbidden,
    InvalidName,
    InvalidRequest,
    InvalidSignedUrl,
    PreconditionFailed,
    StorageError,
    Unauthenticated,
)
from tests.support.core import ALICE, BOB, CAROL, SERVICE, Core

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def core(empty: Core) -> Core:
    empty.bucket("private", grants={"carol": Grant.READ})
    empty.bucket("public", is_public=True)
    for name in ("private", "public"):
        empty.put("a.txt", b"abc", to=name)
    return empty


def edit(core: Core, by: Principal = ALICE, key: str = "a.txt", **changes: Any) -> File:
    return core.files.edit(by, "private", key, changes=changes, conditions=UNCONDITIONAL)[1]


def delete(core: Core, by: Principal = ALICE, bucket: str = "private", key: str = "a.txt", **headers: Any) -> None:
    core.files.delete(by, bucket, key, conditions=WriteConditions(**headers))


# 401, then 404 of the bucket, then 403, then 404 of the file.
@pytest.mark.parametrize(
    ("principal", "bucket", "key", "reads", "deletes"),
    [
        (NOBODY, "missing", "a.txt", Unauthenticated, Unauthenticated),
        (NOBODY, "private", "a.txt", Unauthenticated, Unauthenticated),
        (NOBODY, "private", "none", Unauthenticated, Unauthenticated),
        (NOBODY, "public", "a.txt", None, Unauthenticated),
        (NOBODY, "public", "none", FileNotFound, Unauthenticated),
        (ANONYMOUS, "missing", "a.txt", BucketNotFound, BucketNotFound),
        (ANONYMOUS, "private", "a.txt", Forbidden, Forbidden),
        (ANONYMOUS, "public", "a.txt", None, Forbidden),
        (BOB, "missing", "a.txt", BucketNotFound, BucketNotFound),
        (BOB, "private", "a.txt", Forbidden, Forbidden),
        (BOB, "private", "none", Forbidden, Forbidden),
        (BOB, "public", "none", FileNotFound, Forbidden),
        (CAROL, "private", "a.txt", None, Forbidden),
        (CAROL, "private", "none", FileNotFound, Forbidden),
        (ALICE, "private", "none", FileNotFound, FileNotFound),
        (SERVICE, "private", "none", FileNotFound, FileNotFound),
        (ALICE, "private", "../a", InvalidName, InvalidName),
        (ALICE, "Not A Name", "a.txt", InvalidName, InvalidName),
    ],
)
def test_order_of_refusals(
    core: Core,
    principal: Principal,
    bucket: str,
    key: str,
    reads: type[StorageError] | None,
    deletes: type[StorageError],
) -> None:
    actions: list[tuple[Callable[[], Any], type[StorageError] | None]] = [
        (lambda: core.files.get(principal, bucket, key), reads),
        (
            lambda: core.files.edit(principal, bucket, key, changes={"metadata": {}}, conditions=UNCONDITIONAL),
            deletes,
        ),
        (lambda: delete(core, principal, bucket, key), deletes),
    ]
    for act, refusal in actions:
        if refusal is None:
            act()
        else:
            with pytest.raises(refusal):
                act()
    core.check()


def test_own_upload_is_its_uploaders_in_a_bucket_of_another(core: Core) -> None:
    core.put("bobs.txt", by=BOB, to="public")
    core.files.edit(BOB, "public", "bobs.txt", changes={"metadata": {"k": 1}}, conditions=UNCONDITIONAL)
    with pytest.raises(Forbidden):
        delete(core, CAROL, "public", "bobs.txt")
    core.buckets.change(ALICE, "public", {"is_public": False})
    assert core.files.get(BOB, "public", "bobs.txt")[1].metadata == {"k": 1}
    delete(core, BOB, "public", "bobs.txt")
    core.check()


def test_time_of_a_file_does_not_go_back_with_the_clock(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("storage_app.services.upload_rules.now", lambda: now() + timedelta(days=1))
        times = [core.put("a.txt", to="private")[0].updated_at]
    times += [core.put("a.txt", to="private")[0].updated_at, edit(core, metadata={"k": 1}).updated_at]
    assert [later - times[0] for later in times] == [timedelta(seconds=number) for number in range(3)]
    core.check()


def test_edit_replaces_what_is_given_and_nothing_else(core: Core) -> None:
    before = core.put("a.txt", b"abc", to="private", attributes=FileAttributes(metadata={"old": 1}))[0]
    after = edit(core, metadata={"new": [1]}, cache_control="no-store", filename="b.txt")
    assert (after.metadata, after.cache_control, after.filename) == ({"new": [1]}, "no-store", "b.txt")
    assert after.updated_at > before.updated_at
    unchanged = ("key", "blob", "size", "sha256", "owner_id", "created_at", "content_type", "etag")
    assert [getattr(after, name) for name in unchanged] == [getattr(before, name) for name in unchanged]
    assert edit(core, filename=None).filename == "a.txt"
    assert edit(core, cache_control=None).cache_control is None
    assert edit(core).metadata == {"new": [1]}
    assert core.totals("private") == Totals(1, 3)
    core.check()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"metadata": {"k": "v" * 16 * 1024}}, InvalidRequest),
        ({"filename": ""}, InvalidName),
        ({"filename": "a\nb"}, InvalidName),
    ],
)
def test_edit_that_breaks_a_rule_changes_nothing(
    core: Core, changes: dict[str, Any], refusal: type[StorageError]
) -> None:
    before = core.file("a.txt", bucket="private")
    with pytest.raises(refusal):
        edit(core, **changes)
    assert core.file("a.txt", bucket="private") == before
    core.check()


def test_edited_content_type_must_be_what_the_bytes_are(core: Core) -> None:
    core.put("cat", PNG, to="private")
    assert edit(core, key="cat", content_type="application/x-cat").content_type == "application/x-cat"
    assert edit(core, key="cat", content_type="video/mp4").content_type == "image/png"
    core.buckets.change(ALICE, "private", {"allowed_content_types": ("image/*",)})
    with pytest.raises(ContentTypeNotAllowed, match="does not take application/x-cat; it takes image/"):
        edit(core, key="cat", content_type="application/x-cat")
    with pytest.raises(ContentTypeNotAllowed, match="its bytes are image/png"):
        edit(core, key="cat", content_type="image/jpeg")
    core.check()


def test_delete_takes_the_file_at_once_and_its_bytes_later(core: Core) -> None:
    _, file = core.files.get(ALICE, "private", "a.txt")
    delete(core)
    with pytest.raises(FileNotFound):
        core.files.get(ALICE, "private", "a.txt")
    assert core.totals("private") == Totals(0, 0)
    assert core.read(file, bucket="private") == b"abc"
    core.check()
    with pytest.raises(FileNotFoundError):
        core.read(file, bucket="private")


@pytest.mark.parametrize(
    ("headers", "holds"),
    [
        ({"if_match": frozenset(['"other"'])}, False),
        ({"if_match": frozenset(["*"])}, True),
        ({"if_none_match": frozenset(["*"])}, False),
        ({"if_none_match": frozenset(['"other"'])}, True),
    ],
)
@pytest.mark.parametrize("action", ["edit", "delete"])
def test_conditions_decide(core: Core, action: str, headers: dict[str, Any], holds: bool) -> None:
    def act() -> None:
        if action == "delete":
            delete(core, **headers)
        else:
            changes = {"metadata": {"k": 1}}
            core.files.edit(ALICE, "private", "a.txt", changes=changes, conditions=WriteConditions(**headers))

    before = core.file("a.txt", bucket="private")
    if holds:
        act()
        assert core.file("a.txt", bucket="private") != before
    else:
        with pytest.raises(PreconditionFailed):
            act()
        assert core.file("a.txt", bucket="private") == before
    core.check()


def test_condition_on_a_version_lets_one_of_many_deletes_through(core: Core) -> None:
    etag = core.files.get(ALICE, "private", "a.txt")[1].etag

    def remove(_: int) -> bool:
        try:
            delete(core, if_match=frozenset([etag]))
        except (FileNotFound, PreconditionFailed):
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(remove, range(16))) == 1
    core.check()


def test_concurrent_edits_are_each_whole(core: Core) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: edit(core, metadata={"n": number}, filename=f"{number}.txt"), range(32)))
    file = core.file("a.txt", bucket="private")
    assert file is not None
    assert file.filename == f"{file.metadata['n']}.txt"
    core.check()


def test_missing_bytes_are_damage_not_absence(core: Core) -> None:
    bucket, file = core.files.get(ALICE, "private", "a.txt")
    core.store.delete_blob(bucket, file.blob)
    assert core.files.get(ALICE, "private", "a.txt") == (bucket, file)
    with pytest.raises(FileNotFoundError):
        core.files.open(bucket, file)
    with pytest.raises(DamagedFile, match=r"'a\.txt' are missing"):
        edit(core, content_type="image/png")


def test_signed_download_needs_no_right_but_its_bucket(core: Core) -> None:
    bucket, file = core.files.get(ALICE, "private", "a.txt")
    grant = SignedDownload(bucket.uid, "a.txt", 2**40)
    assert core.files.get_signed(grant, "private") == (bucket, file)
    for other in ("public", "missing"):
        with pytest.raises(InvalidSignedUrl):
            core.files.get_signed(grant, other)
    with pytest.raises(InvalidName):
        core.files.get_signed(grant, "Not A Name")
    delete(core)
    with pytest.raises(FileNotFound):
        core.files.get_signed(grant, "private")
    core.buckets.delete(ALICE, "private", force=True)
    core.bucket("private")
    core.put("a.txt", to="private")
    with pytest.raises(InvalidSignedUrl, match="not for this bucket"):
        core.files.get_signed(grant, "private")


def test_list_asks_for_the_right_to_see(core: Core) -> None:
    def by_key(principal: Principal) -> Any:
        return core.files.list_by_key(principal, "private", prefix="", delimiter=None, position=None, limit=10)

    def by_creation(principal: Principal) -> Any:
        return core.files.list_by_creation(principal, "private", prefix="", position=None, limit=10)

    for listed in (by_key, by_creation):
        assert [file.key for file, _ in listed(CAROL).entries] == ["a.txt"]
        with pytest.raises(Forbidden):
            listed(BOB)
        with pytest.raises(Unauthenticated):
            listed(NOBODY)


def test_bytes_can_be_located_for_a_web_server(core: Core) -> None:
    bucket, file = core.files.get(ALICE, "private", "a.txt")
    where = core.files.locate(bucket, file)
    assert where is not None
    assert (core.root / where.path).read_bytes() == b"abc"
