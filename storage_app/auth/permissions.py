"""The permission table, as pure functions over principal, action, bucket and file."""

from dataclasses import dataclass
from enum import Enum, auto

from ..domain.buckets import ANY_USER, Bucket, Grant
from ..domain.files import File
from ..domain.principals import Principal, PrincipalKind, Replace, UploadRight


class Action(Enum):
    """An action that needs a right."""

    CREATE_BUCKET = auto()
    LIST_BUCKETS = auto()
    SEE_BUCKET = auto()  # its details, and the list of its files
    CHANGE_BUCKET = auto()  # and delete it
    READ_FILE = auto()  # download, view, info
    CREATE_FILE = auto()  # upload a new key
    CHANGE_FILE = auto()  # overwrite, edit metadata, delete


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices in the permission table.

    With `anonymous_uploads`, any login and the ANON_KEY may add files to public buckets. With `authenticated_read`,
    every user has what a `read` grant gives, in every bucket.
    """

    anonymous_uploads: bool = True
    authenticated_read: bool = False


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class BucketFilter:
    """The buckets that a principal may see besides the public ones, as conditions for a query.

    A bucket that meets any of them is visible.
    """

    every: bool = False
    owner: str | None = None
    grantees: tuple[str, ...] = ()


def allowed(  # noqa: PLR0911  each return is a row of the table
    principal: Principal,
    action: Action,
    bucket: Bucket | None = None,
    file: File | None = None,
    *,
    policy: Policy = DEFAULT_POLICY,
) -> bool:
    """Decide whether `principal` may do `action`. Rights add up.

    `bucket` is required, except for CREATE_BUCKET and LIST_BUCKETS. Without `file`, READ_FILE and CHANGE_FILE mean
    every file in the bucket.
    """
    if action is Action.CREATE_BUCKET:
        return _is_user(principal)
    if action is Action.LIST_BUCKETS:
        return principal.kind is not PrincipalKind.NOBODY
    assert bucket is not None, f"{action} is decided for a bucket"
    grant = granted(principal, bucket, policy)
    has_key = principal.kind is not PrincipalKind.NOBODY
    match action:
        case Action.CHANGE_BUCKET:
            return grant is Grant.MANAGE
        case Action.SEE_BUCKET:
            return grant is not None or (has_key and bucket.is_public)
        case Action.READ_FILE:
            return grant is not None or bucket.is_public or _owns(principal, file)
        case Action.CREATE_FILE:
            return grant in (Grant.WRITE, Grant.MANAGE) or (has_key and bucket.is_public and policy.anonymous_uploads)
        case Action.CHANGE_FILE:
            return grant in (Grant.WRITE, Grant.MANAGE) or _owns(principal, file)


def granted(principal: Principal, bucket: Bucket, policy: Policy = DEFAULT_POLICY) -> Grant | None:
    """Return the highest grant of `principal` on `bucket`. The owner and the service hold `manage`."""
    if not _is_user(principal) or principal.sub is None:
        return None
    if principal.kind is PrincipalKind.SERVICE or principal.sub == bucket.owner_id:
        return Grant.MANAGE
    held = {bucket.grants.get(principal.sub), bucket.grants.get(ANY_USER)}
    if policy.authenticated_read:
        held.add(Grant.READ)
    return next((grant for grant in (Grant.MANAGE, Grant.WRITE, Grant.READ) if grant in held), None)


def upload_right(principal: Principal, bucket: Bucket, policy: Policy) -> UploadRight:
    """Return what an upload by `principal` may create and replace in `bucket`.

    An anonymous upload may replace nothing, and a file that it creates belongs to the owner of the bucket.
    """
    replace = Replace.NONE
    if granted(principal, bucket) in (Grant.WRITE, Grant.MANAGE):
        replace = Replace.ANY
    elif _is_user(principal):
        replace = Replace.OWN
    return UploadRight(
        owner_id=principal.sub or bucket.owner_id,
        create=allowed(principal, Action.CREATE_FILE, bucket, policy=policy),
        replace=replace,
    )


def visible_buckets(principal: Principal, policy: Policy = DEFAULT_POLICY) -> BucketFilter:
    """Return SEE_BUCKET as a filter for a principal that may list buckets."""
    if principal.kind is PrincipalKind.SERVICE or (policy.authenticated_read and _is_user(principal)):
        return BucketFilter(every=True)
    if principal.sub is None:
        return BucketFilter()
    return BucketFilter(owner=principal.sub, grantees=(principal.sub, ANY_USER))


def _is_user(principal: Principal) -> bool:
    return principal.kind in (PrincipalKind.USER, PrincipalKind.SERVICE)


def _owns(principal: Principal, file: File | None) -> bool:
    return file is not None and _is_user(principal) and principal.sub == file.owner_id
