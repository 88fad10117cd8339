"""Queries for one page of a list. Each begins where the previous page ended, so every page costs the same."""

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from ..auth.permissions import BucketFilter
from .schema import bucket_grants, buckets, files

Columns = Iterable[sa.Column[Any]]

# The columns of `domain.pages.Name`, and those of a position. An index holds the latter, so passing rows over is fast.
NAME = (files.c.key, files.c.filename, files.c.created_at)
KEY = (files.c.key,)
CREATION = (files.c.created_at, files.c.key)

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def successor(prefix: str) -> str | None:
    """Return the least string greater than all that begin with `prefix`, by code points. Return None if none is.

    UTF-8 sorts bytewise as code points do, so this bounds a prefix in an index with binary collation.
    """
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last < _LAST_CODE_POINT:
            following = last + 1
            return prefix[: length - 1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
    return None


def buckets_query(visible: BucketFilter, *, after: str | None, limit: int, skip: int = 0) -> sa.Select[Any]:
    """Select visible buckets by name, without the first `skip` of those after `after`."""
    query = sa.select(buckets).order_by(buckets.c.name).limit(limit).offset(skip or None)
    if after is not None:
        query = query.where(buckets.c.name > after)
    if visible.every:
        return query
    conditions: list[sa.ColumnElement[bool]] = [buckets.c.is_public]
    if visible.owner is not None:
        granted = sa.select(bucket_grants.c.bucket_uid).where(bucket_grants.c.grantee.in_(visible.grantees))
        conditions += [buckets.c.owner_id == visible.owner, buckets.c.uid.in_(granted)]
    return query.where(sa.or_(*conditions))


def by_keys_query(bucket_uid: str, keys: Collection[str]) -> sa.Select[Any]:
    """Select the files of `keys`."""
    return sa.select(files).where(files.c.bucket_uid == bucket_uid, files.c.key.in_(keys))


def by_key_query(
    bucket_uid: str, *, prefix: str, start: str, after: bool, limit: int, columns: Columns = files.c
) -> sa.Select[Any]:
    """Select files with `prefix` by key, from `start` on; `after` leaves out `start` itself."""
    key = files.c.key
    query = sa.select(*columns).where(files.c.bucket_uid == bucket_uid, key > start if after else key >= start)
    return _within(query, prefix).order_by(key).limit(limit)


def by_creation_query(
    bucket_uid: str, *, before: tuple[int, str] | None, limit: int, columns: Columns = files.c
) -> sa.Select[Any]:
    """Select files, newest first, older than `before` (microseconds since the epoch, key)."""
    position = sa.tuple_(files.c.created_at, files.c.key)
    query = sa.select(*columns).where(files.c.bucket_uid == bucket_uid)
    if before is not None:
        query = query.where(position < sa.tuple_(*before))
    return query.order_by(files.c.created_at.desc(), files.c.key.desc()).limit(limit)


def _within(query: sa.Select[Any], prefix: str) -> sa.Select[Any]:
    if not prefix:
        return query
    end = successor(prefix)
    query = query.where(files.c.key >= prefix)
    return query if end is None else query.where(files.c.key < end)
