"""Lookups of the bucket and file that a request names, and the one place that orders 401, 404 and 403."""

from ..auth.permissions import Action, Policy, allowed
from ..domain.buckets import Bucket, Totals, check_bucket_name
from ..domain.files import File, check_key
from ..domain.principals import Principal, PrincipalKind
from ..errors import BucketNotFound, FileNotFound, Forbidden, InvalidName, StorageError, Unauthenticated
from ..index import Index

_DEEDS = {
    Action.CREATE_BUCKET: "create buckets",
    Action.LIST_BUCKETS: "list buckets",
    Action.SEE_BUCKET: "see this bucket",
    Action.CHANGE_BUCKET: "change this bucket",
    Action.READ_FILE: "read this file",
    Action.CREATE_FILE: "upload to this bucket",
    Action.CHANGE_FILE: "change this file",
}


def refusal(principal: Principal, action: Action) -> StorageError:
    """Return the error for a principal that may not do `action`: 401 without a credential, 403 with one."""
    if principal.kind is PrincipalKind.NOBODY:
        return Unauthenticated(f"A credential is needed to {_DEEDS[action]}: send 'Authorization: Bearer <token>'.")
    return Forbidden(f"You may not {_DEEDS[action]}; {_way_out(principal, action)}.")


def _way_out(principal: Principal, action: Action) -> str:
    if action in (Action.CREATE_BUCKET, Action.LIST_BUCKETS):  # there is no owner yet
        return "log in as a user"
    if principal.kind is PrincipalKind.ANONYMOUS:  # grants are for users
        return "log in as a user who may"
    return "ask the bucket's owner for a grant"


class Lookups:
    """Finds buckets and files for a principal."""

    def __init__(self, index: Index, policy: Policy) -> None:
        self._index = index
        self.policy = policy

    def bucket(self, principal: Principal, name: str, action: Action | None = None) -> tuple[Bucket, Totals]:
        """Return the bucket with its totals. If `action` is given, `principal` must be allowed to do it there.

        Raises `InvalidName`, `Unauthenticated` (whether or not the bucket exists), `BucketNotFound` or `Forbidden`.
        """
        found = self._index.bucket(check_bucket_name(name))
        if found is None:
            raise self._no_bucket(principal, name, action or Action.SEE_BUCKET)
        if action is not None and not self.allowed(principal, action, found[0]):
            raise refusal(principal, action)
        return found

    def file(self, principal: Principal, bucket_name: str, key: str, action: Action) -> tuple[Bucket, File]:
        """Return the file with its bucket. `principal` must be allowed to do `action` with the file.

        Raises as `bucket` does, then `FileNotFound`: nobody without that permission learns that a file is missing.
        """
        bucket, file = self.bucket_and_file(principal, bucket_name, key)
        return bucket, self.check_file(principal, bucket, key, file, action)

    def bucket_and_file(self, principal: Principal, bucket_name: str, key: str) -> tuple[Bucket, File | None]:
        """Return the bucket and the file at `key`, whatever the permissions. Raises as `bucket`, then `InvalidName`."""
        try:
            check_key(key)
        except InvalidName:
            self.bucket(principal, bucket_name)
            raise
        found = self._index.bucket_and_file(check_bucket_name(bucket_name), key)
        if found is None:
            raise self._no_bucket(principal, bucket_name, Action.SEE_BUCKET)
        return found

    def check_file(self, principal: Principal, bucket: Bucket, key: str, file: File | None, action: Action) -> File:
        """Return `file`. Raises unless `principal` may do `action` with it, and then `FileNotFound` if it is None."""
        if not self.allowed(principal, action, bucket, file):
            raise refusal(principal, action)
        if file is None:
            raise FileNotFound(bucket.name, key)
        return file

    def _no_bucket(self, principal: Principal, name: str, action: Action) -> StorageError:
        return refusal(principal, action) if principal.kind is PrincipalKind.NOBODY else BucketNotFound(name)

    def allowed(self, principal: Principal, action: Action, bucket: Bucket, file: File | None = None) -> bool:
        return allowed(principal, action, bucket, file, policy=self.policy)
