"""Converts nouns to rows of the index, and rows to nouns, by the names of fields and columns."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import sqlalchemy as sa

from ..domain.buckets import Bucket, Grant, Totals
from ..domain.changes import Change, ChangeKind
from ..domain.files import File
from ..domain.intents import Intent, IntentKind, PendingDeletion
from ..domain.reservations import Reservation
from ..domain.resumables import ResumableReservation
from ..domain.text import JsonObject
from .schema import buckets, files, intents, pending_deletions, reservations, resumables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds from the epoch to `moment`; negative before 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the moment, in UTC, that many microseconds after the epoch."""
    return _EPOCH + timedelta(0, 0, microseconds)


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Noun = TypeVar("Noun", bound=_Dataclass)


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the value of a field is written to its column, and read back."""

    to_column: Callable[[Any], Any]
    to_field: Callable[[Any], Any]


class Rows(Generic[Noun]):
    """Rows of `table` as nouns. Each field of the noun is in the column of its name, converted if `conversions` say so.

    Drivers return rows as tuples. `selected` lists the tables whose columns the statement selects, in order, and so
    tells where each column is; without it, the statement selects `table` alone. A field without a column is a
    `KeyError` here, when the module is imported.
    """

    def __init__(
        self,
        noun: type[Noun],
        table: sa.Table,
        conversions: dict[str, Conversion] | None = None,
        *,
        selected: Sequence[sa.Table] = (),
    ) -> None:
        self._noun: Callable[..., Noun] = noun
        self._names = [field.name for field in dataclasses.fields(noun)]
        self._fields = attrgetter(*self._names)
        columns = [column for each in selected or (table,) for column in each.columns]
        positions = {column: position for position, column in enumerate(columns)}
        # Picks the values of the fields from a row, in the order in which the noun is called with them.
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(
            *(positions[table.columns[name]] for name in self._names)
        )
        self._conversions = [
            (self._names.index(name), each.to_column, each.to_field) for name, each in (conversions or {}).items()
        ]

    def to_row(self, noun: Noun) -> dict[str, Any]:
        """Return the values of the noun's columns, by name."""
        values = list(self._fields(noun))
        for number, to_column, _ in self._conversions:
            values[number] = to_column(values[number])
        return dict(zip(self._names, values, strict=True))

    def from_row(self, row: Sequence[Any]) -> Noun:
        """Return the noun of a row."""
        return self.from_values(self.pick(row))

    def from_values(self, picked: tuple[Any, ...]) -> Noun:
        """Return the noun of what `pick` returned for its row."""
        values = list(picked)
        for number, _, to_field in self._conversions:
            values[number] = to_field(values[number])
        return self._noun(*values)


def _metadata_text(metadata: Mapping[str, Any]) -> str:
    """Return the metadata as lists show it, so that they need not parse it."""
    if isinstance(metadata, JsonObject):
        return metadata.text
    return json.dumps(dict(metadata), sort_keys=True, separators=(",", ":")) if metadata else "{}"


def _metadata(text: str) -> Mapping[str, Any]:
    return {} if text == "{}" else JsonObject(text)


_TIME = Conversion(to_microseconds, from_microseconds)
_OF_FILE = {"metadata": Conversion(_metadata_text, _metadata), "created_at": _TIME, "updated_at": _TIME}

FILES = Rows(File, files, _OF_FILE)
BUCKETS = Rows(
    Bucket,
    buckets,
    {
        "created_at": _TIME,
        "updated_at": _TIME,
        "is_public": Conversion(bool, bool),
        "grants": Conversion(
            lambda grants: json.dumps(dict(grants)),
            lambda text: {grantee: Grant(grant) for grantee, grant in json.loads(text).items()},
        ),
        "allowed_content_types": Conversion(
            lambda types: None if types is None else json.dumps(types),
            lambda text: None if text is None else tuple(json.loads(text)),
        ),
    },
)
INTENTS = Rows(Intent, intents, {"kind": Conversion(lambda kind: kind.value, IntentKind)})
PENDING_DELETIONS = Rows(PendingDeletion, pending_deletions)
RESERVATIONS = Rows(Reservation, reservations, {"expires_at": _TIME})
RESUMABLES = Rows(
    ResumableReservation,
    resumables,
    {"is_open": Conversion(bool, bool), "created_at": _TIME, "expires_at": _TIME},
)

_TOTALS = Rows(Totals, buckets)
_FILES_BESIDE_BUCKETS = Rows(File, files, _OF_FILE, selected=(buckets, files))
# Requests ask for few buckets again and again, and these seldom change.
_bucket_of = lru_cache(maxsize=256)(BUCKETS.from_values)
_grants_of = itemgetter([field.name for field in dataclasses.fields(Bucket)].index("grants"))
# Grants may take 780 KB, and 256 such buckets would take more memory than everything else.
_MAX_CACHED_GRANTS = 32 * 1024


def bucket_from(row: Sequence[Any]) -> tuple[Bucket, Totals]:
    """Return the bucket of a row of `buckets`, with its totals."""
    values = BUCKETS.pick(row)
    bucket = _bucket_of(values) if len(_grants_of(values)) <= _MAX_CACHED_GRANTS else BUCKETS.from_values(values)
    return bucket, _TOTALS.from_row(row)


def bucket_and_file_from(row: Sequence[Any]) -> tuple[Bucket, Totals, File | None]:
    """Return the bucket and the file of a row of `buckets` and `files`; no file if an outer join found none."""
    values = _FILES_BESIDE_BUCKETS.pick(row)
    file = _FILES_BESIDE_BUCKETS.from_values(values) if any(values) else None
    return *bucket_from(row), file


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class _BucketTexts:
    """The last bucket as JSON, because most changes follow others in their bucket. Threads may share it."""

    def __init__(self) -> None:
        self._last: tuple[Bucket, str] | None = None

    def of(self, bucket: Bucket) -> str:
        last = self._last
        if last is None or last[0] is not bucket:
            last = self._last = (bucket, _COMPACT.encode(BUCKETS.to_row(bucket)))
        return last[1]


_bucket_texts = _BucketTexts()


def change_to_row(change: Change) -> dict[str, Any]:
    """Return the values of a row of `announced`, but for its number."""
    body = {
        "kind": change.kind,
        "at": to_microseconds(change.at),
        "file": None if change.file is None else FILES.to_row(change.file),
        "source": change.source,
        "notify": change.notify,
        "totals": None if change.totals is None else dataclasses.astuple(change.totals),
    }
    return {
        "id": change.id,
        "bucket_uid": change.bucket.uid,
        "key": change.key or "",
        "sequence": change.sequence,
        "body": f'{{"bucket":{_bucket_texts.of(change.bucket)},{_COMPACT.encode(body)[1:]}',
    }


def change_from_body(text: str) -> Change:
    """Return the change whose row has this body."""
    body = json.loads(text)
    return Change(
        kind=ChangeKind(body["kind"]),
        bucket=BUCKETS.from_row([body["bucket"].get(column.name) for column in buckets.columns]),
        at=from_microseconds(body["at"]),
        file=body["file"] and FILES.from_row([body["file"][column.name] for column in files.columns]),
        source=body["source"] and tuple(body["source"]),
        notify=body["notify"],
        totals=body["totals"] and Totals(*body["totals"]),
    )
