"""The permission table: every cell, for everyone who may ask and every kind of bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.auth.permissions import DEFAULT_POLICY, Action, Policy, allowed, granted, upload_right, visible_buckets
from storage_app.domain.buckets import ANY_USER, Bucket, Grant
from storage_app.domain.files import File
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal, PrincipalKind, Replace, UploadRight
from storage_app.index import Index
from storage_app.services.upload_targets import Target
from tests.support.core import a_bucket, a_file

# Who asks, each named for the one thing that sets it apart. All but the owner are strangers to the rest.
WHO = {
    "nobody": NOBODY,
    "anonymous": ANONYMOUS,
    "stranger": Principal(PrincipalKind.USER, "stranger"),
    "uploader": Principal(PrincipalKind.USER, "uploader"),
    "reader": Principal(PrincipalKind.USER, "reader"),
    "writer": Principal(PrincipalKind.USER, "writer"),
    "manager": Principal(PrincipalKind.USER, "manager"),
    "owner": Principal(PrincipalKind.USER, "owner"),
    "service": Principal(PrincipalKind.SERVICE, "backend"),
}
GRANTS = {"reader": Grant.READ, "writer": Grant.WRITE, "manager": Grant.MANAGE}
PRIVATE = a_bucket(owner_id="owner", grants=GRANTS)
PUBLIC = a_bucket(owner_id="owner", grants=GRANTS, is_public=True)
FILE = a_file(owner_id="uploader")
OTHERS_FILE = a_file(owner_id="somebody")

# One line a row of the contract's table. The columns are those of WHO.
PERMISSIONS = """
                            nobody anonymous stranger uploader reader writer manager owner service
create-bucket                  .       .        x        x        x      x      x      x      x
list-buckets                   .       x        x        x        x      x      x      x      x

see-bucket     private         .       .        .        .        x      x      x      x      x
see-bucket     public          .       x        x        x        x      x      x      x      x

read-file      private         .       .        .        x        x      x      x      x      x
read-file      public          x       x        x        x        x      x      x      x      x
read-others    private         .       .        .        .        x      x      x      x      x
read-others    public          x       x        x        x        x      x      x      x      x
read-missing   private         .       .        .        .        x      x      x      x      x
read-missing   public          x       x        x        x        x      x      x      x      x

create-file    private         .       .        .        .        .      x      x      x      x
create-file    public          .       x        x        x        x      x      x      x      x
create-closed  private         .       .        .        .        .      x      x      x      x
create-closed  public          .       .        .        .        .      x      x      x      x

change-file    private         .       .        .        x        .      x      x      x      x
change-file    public          .       .        .        x        .      x      x      x      x
change-others  private         .       .        .        .        .      x      x      x      x
change-others  public          .       .        .        .        .      x      x      x      x
change-missing private         .       .        .        .        .      x      x      x      x
change-missing public          .       .        .        .        .      x      x      x      x

see-shared     private         .       .        x        x        x      x      x      x      x
read-shared    private         .       .        x        x        x      x      x      x      x
create-shared  private         .       .        .        .        .      x      x      x      x
change-shared  private         .       .        .        .        .      x      x      x      x

change-bucket  private         .       .        .        .        .      .      x      x      x
change-bucket  public          .       .        .        .        .      .      x      x      x
"""

CLOSED = Policy(anonymous_uploads=False)
SHARED = Policy(authenticated_read=True)

# The row's word: what is done, to which file, and under which policy.
DEEDS: dict[str, tuple[Action, File | None, Policy]] = {
    "create-bucket": (Action.CREATE_BUCKET, None, DEFAULT_POLICY),
    "list-buckets": (Action.LIST_BUCKETS, None, DEFAULT_POLICY),
    "see-bucket": (Action.SEE_BUCKET, None, DEFAULT_POLICY),
    "read-file": (Action.READ_FILE, FILE, DEFAULT_POLICY),
    "read-others": (Action.READ_FILE, OTHERS_FILE, DEFAULT_POLICY),
    "read-missing": (Action.READ_FILE, None, DEFAULT_POLICY),
    "create-file": (Action.CREATE_FILE, None, DEFAULT_POLICY),
    "create-closed": (Action.CREATE_FILE, None, CLOSED),
    "change-file": (Action.CHANGE_FILE, FILE, DEFAULT_POLICY),
    "change-others": (Action.CHANGE_FILE, OTHERS_FILE, DEFAULT_POLICY),
    "change-missing": (Action.CHANGE_FILE, None, DEFAULT_POLICY),
    "change-bucket": (Action.CHANGE_BUCKET, None, DEFAULT_POLICY),
    "see-shared": (Action.SEE_BUCKET, None, SHARED),
    "read-shared": (Action.READ_FILE, OTHERS_FILE, SHARED),
    "create-shared": (Action.CREATE_FILE, None, SHARED),
    "change-shared": (Action.CHANGE_FILE, OTHERS_FILE, SHARED),
}


def cells() -> list[tuple[str, str, str, bool]]:
    header, *rows = [line.split() for line in PERMISSIONS.splitlines() if line.strip()]
    return [
        (words[0], words[1] if len(words) > len(header) + 1 else "", who, cell == "x")
        for words in rows
        for who, cell in zip(header, words[-len(header) :], strict=True)
    ]


@pytest.mark.parametrize(("deed", "bucket", "who", "expected"), cells())
def test_cell_of_the_permission_table(deed: str, bucket: str, who: str, expected: bool) -> None:
    action, file, policy = DEEDS[deed]
    there = {"private": PRIVATE, "public": PUBLIC, "": None}[bucket]
    assert allowed(WHO[who], action, there, file, policy=policy) is expected


def test_table_has_every_action_and_principal() -> None:
    assert {DEEDS[deed][0] for deed, *_ in cells()} == set(Action)
    assert {who for *_, who, _ in cells()} == set(WHO)
    assert {deed for deed, *_ in cells()} == set(DEEDS)
    assert {principal.kind for principal in WHO.values()} == set(PrincipalKind)


@pytest.mark.parametrize(
    ("grant", "sees", "reads", "creates", "changes", "changes_bucket"),
    [
        (Grant.READ, True, True, False, False, False),
        (Grant.WRITE, True, True, True, True, False),
        (Grant.MANAGE, True, True, True, True, True),
    ],
)
def test_grant_to_any_user_is_of_users_alone(
    grant: Grant, sees: bool, reads: bool, creates: bool, changes: bool, changes_bucket: bool
) -> None:
    bucket = a_bucket(owner_id="owner", grants={ANY_USER: grant})
    expected = {
        Action.SEE_BUCKET: sees,
        Action.READ_FILE: reads,
        Action.CREATE_FILE: creates,
        Action.CHANGE_FILE: changes,
        Action.CHANGE_BUCKET: changes_bucket,
    }
    for action, may in expected.items():
        assert allowed(WHO["stranger"], action, bucket, OTHERS_FILE) is may
        assert not allowed(NOBODY, action, bucket, OTHERS_FILE)
        assert not allowed(ANONYMOUS, action, bucket, OTHERS_FILE)


@pytest.mark.parametrize(
    ("own", "everyones", "held"),
    [
        (None, None, None),
        (Grant.READ, None, Grant.READ),
        (None, Grant.READ, Grant.READ),
        (Grant.READ, Grant.WRITE, Grant.WRITE),
        (Grant.WRITE, Grant.READ, Grant.WRITE),
        (Grant.MANAGE, Grant.READ, Grant.MANAGE),
        (Grant.READ, Grant.MANAGE, Grant.MANAGE),
    ],
)
def test_higher_of_two_grants_counts(own: Grant | None, everyones: Grant | None, held: Grant | None) -> None:
    grants = {grantee: grant for grantee, grant in (("stranger", own), (ANY_USER, everyones)) if grant is not None}
    assert granted(WHO["stranger"], a_bucket(owner_id="owner", grants=grants)) is held


def test_rights_add_up() -> None:
    """A read grant takes nothing away from what a public bucket and an own upload give."""
    own = a_file(owner_id="reader")
    assert allowed(WHO["reader"], Action.CREATE_FILE, PUBLIC)
    assert allowed(WHO["reader"], Action.CHANGE_FILE, PRIVATE, own)
    assert allowed(WHO["reader"], Action.CHANGE_FILE, PUBLIC, own)


def test_own_upload_of_a_user_is_not_one_of_anonymous_or_nobody() -> None:
    odd = Principal(PrincipalKind.ANONYMOUS, "uploader"), Principal(PrincipalKind.NOBODY, "uploader")
    assert not any(allowed(principal, Action.CHANGE_FILE, PRIVATE, FILE) for principal in odd)


ANY, OWN, NONE = Replace.ANY, Replace.OWN, Replace.NONE


@pytest.mark.parametrize(
    ("who", "bucket", "anonymous_uploads", "right"),
    [
        ("nobody", PRIVATE, True, UploadRight("owner", False, NONE)),
        ("nobody", PUBLIC, True, UploadRight("owner", False, NONE)),
        ("anonymous", PRIVATE, True, UploadRight("owner", False, NONE)),
        ("anonymous", PUBLIC, True, UploadRight("owner", True, NONE)),
        ("anonymous", PUBLIC, False, UploadRight("owner", False, NONE)),
        ("stranger", PRIVATE, True, UploadRight("stranger", False, OWN)),
        ("stranger", PUBLIC, True, UploadRight("stranger", True, OWN)),
        ("stranger", PUBLIC, False, UploadRight("stranger", False, OWN)),
        ("reader", PRIVATE, True, UploadRight("reader", False, OWN)),
        ("reader", PUBLIC, True, UploadRight("reader", True, OWN)),
        ("writer", PRIVATE, False, UploadRight("writer", True, ANY)),
        ("writer", PUBLIC, True, UploadRight("writer", True, ANY)),
        ("manager", PRIVATE, False, UploadRight("manager", True, ANY)),
        ("owner", PRIVATE, False, UploadRight("owner", True, ANY)),
        ("service", PRIVATE, False, UploadRight("backend", True, ANY)),
    ],
)
def test_upload_right(who: str, bucket: Bucket, anonymous_uploads: bool, right: UploadRight) -> None:
    assert upload_right(WHO[who], bucket, Policy(anonymous_uploads)) == right


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("anonymous_uploads", [True, False])
@pytest.mark.parametrize("bucket", [PRIVATE, PUBLIC], ids=["private", "public"])
def test_upload_right_says_what_the_table_says(who: str, bucket: Bucket, anonymous_uploads: bool) -> None:
    right = upload_right(WHO[who], bucket, Policy(anonymous_uploads))
    assert Target(bucket, right).is_allowed is allowed(
        WHO[who], Action.CREATE_FILE, bucket, policy=Policy(anonymous_uploads)
    )
    for file in (FILE, OTHERS_FILE):
        assert Target(bucket, right, file).is_allowed is allowed(WHO[who], Action.CHANGE_FILE, bucket, file)


@pytest.fixture(scope="module")
def every_bucket(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Index, list[Bucket]]]:
    """One bucket for each visibility, owner and set of grants, in a real index."""
    path: Path = tmp_path_factory.mktemp("access") / "index.sqlite3"
    grants: list[dict[str, Grant]] = [
        {},
        *({who: grant} for who, grant in GRANTS.items()),
        *({ANY_USER: grant} for grant in Grant),
        {"somebody": Grant.MANAGE},
        {"reader": Grant.READ, ANY_USER: Grant.WRITE},
    ]
    buckets = [
        a_bucket(f"bucket-{is_public:d}-{owner}-{number}", is_public=is_public, owner_id=owner, grants=given)
        for is_public in (False, True)
        for owner in ("owner", "stranger", "backend")
        for number, given in enumerate(grants)
    ]
    index = Index(path)
    index.create()
    with index.write() as transaction:
        for bucket in buckets:
            transaction.put_bucket(bucket)
    return lambda: (index, buckets)


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, SHARED])
@pytest.mark.parametrize("who", [who for who in WHO if who != "nobody"])
def test_list_of_buckets_is_those_that_may_be_seen(
    who: str, policy: Policy, every_bucket: Callable[[], tuple[Index, list[Bucket]]]
) -> None:
    index, buckets = every_bucket()
    listed = [bucket for bucket, _ in index.buckets(visible_buckets(WHO[who], policy), after=None, limit=1000)]
    visible = [bucket for bucket in buckets if allowed(WHO[who], Action.SEE_BUCKET, bucket, policy=policy)]
    assert listed == sorted(visible, key=lambda bucket: bucket.name)
