"""Queries for one page of a list. Each begins where the previous page ended, so every page costs the same."""

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from ..auth.permissions import BucketFilter
from ..domain.files import MAX_KEY_BYTES
from .schema import bucket_grants, buckets, files

Columns = Iterable[sa.Column[Any]]

# The columns of `domain.pages.Name`, and those of a position. An index holds the latter, so passing rows over is fast.
NAME = (files.c.key, files.c.filename, files.c.created_at)
KEY = (files.c.key,)
CREATION = (files.c.created_at, files.c.key)

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
# A beginning of keys with the former is greater than they are. No key has a character that is less than the latter.
_ABOVE_KEYS = chr(_LAST_CODE_POINT) * (MAX_KEY_BYTES // 4)
_LEAST_CHARACTER = "\x01"

_ZERO: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer)
_ONE: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer)


class _Place(sa.sql.functions.GenericFunction[int]):
    """The place of the second text in the first: 1 or more, 0 if it is not there."""

    type = sa.Integer()
    name = "strpos"
    inherit_cache = True


@compiles(_Place, "sqlite")
def _place_in_sqlite(place: _Place, compiler: sa.sql.compiler.SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(place.clauses, **options)})"


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


def largest_buckets_query(limit: int) -> sa.Select[Any]:
    """Select name and totals of the largest buckets and, in each row, the number and the totals of all of them."""
    columns = buckets.c
    every = (sa.func.count(), sa.func.sum(columns.file_count), sa.func.sum(columns.total_size))
    query = sa.select(columns.name, columns.file_count, columns.total_size, *(each.over() for each in every))
    return query.order_by(columns.total_size.desc(), columns.name).limit(limit)


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


def _first_keys() -> sa.Select[Any]:
    """Select the first key of each entry of a list with folders: of a file its key, of a folder its first file's.

    Each key is one look-up, from the end of the entry before it, however many files a folder holds.
    """

    def next_key(start: sa.ColumnElement[bool]) -> sa.ScalarSelect[str]:
        in_range = (files.c.bucket_uid == sa.bindparam("of_bucket"), start, files.c.key <= sa.bindparam("end"))
        return sa.select(sa.func.min(files.c.key)).where(*in_range).scalar_subquery()

    entries = sa.select(next_key(files.c.key >= sa.bindparam("start")).label("key")).cte("entries", recursive=True)
    delimiter, before = sa.bindparam("delimiter", type_=sa.Text), sa.bindparam("prefix_length", type_=sa.Integer)
    place = _Place(sa.func.substr(entries.c.key, before + _ONE), delimiter)
    folder = sa.func.substr(entries.c.key, _ONE, before + place + sa.func.length(delimiter) - _ONE)
    last = sa.case((place > _ZERO, folder.concat(sa.bindparam("above", type_=sa.Text))), else_=entries.c.key)
    entries = entries.union_all(sa.select(next_key(files.c.key > last)).where(entries.c.key.is_not(None)))
    found = sa.select(entries.c.key).where(entries.c.key.is_not(None))
    return found.limit(sa.bindparam("limit", type_=sa.Integer)).offset(_ZERO)


def _first_files() -> sa.Select[Any]:
    """Select the files of `FIRST_KEYS`."""
    first = FIRST_KEYS.subquery("first")
    in_bucket = files.c.bucket_uid == sa.bindparam("of_bucket")
    return sa.select(files).join(first, sa.and_(in_bucket, files.c.key == first.c.key)).order_by(files.c.key)


FIRST_KEYS = _first_keys()
FIRST_FILES = _first_files()


def entry_values(bucket_uid: str, prefix: str, delimiter: str, start: str, *, after: bool) -> dict[str, Any]:
    """Return the values of `FIRST_KEYS` and `FIRST_FILES`, but for `limit`."""
    return {
        "of_bucket": bucket_uid,
        "start": max(start + _LEAST_CHARACTER if after else start, prefix),
        "end": prefix + _ABOVE_KEYS,
        "above": _ABOVE_KEYS,
        "delimiter": delimiter,
        "prefix_length": len(prefix),
    }


def _within(query: sa.Select[Any], prefix: str) -> sa.Select[Any]:
    if not prefix:
        return query
    end = successor(prefix)
    query = query.where(files.c.key >= prefix)
    return query if end is None else query.where(files.c.key < end)
