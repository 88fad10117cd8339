"""Sidecars and bucket records: what is written, that it comes back, and what is refused."""

import dataclasses
import json
from datetime import timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from storage_app.blobstore.records import Rule, UnreadableRecord
from storage_app.blobstore.sidecars import (
    _BUCKET_RULES,
    _FILE_RULES,
    dump_bucket,
    dump_file,
    load_bucket,
    load_file,
)
from storage_app.domain.buckets import Bucket, Grant
from storage_app.domain.files import File
from storage_app.index import schema
from tests.support.core import a_bucket, a_file

FILE = a_file("a/猫.txt", metadata={"k": ["é", 1, None]}, cache_control="no-store", filename='"猫".txt', size=2**53 + 1)
BUCKET = a_bucket(
    is_public=True,
    description="Bilder 猫",
    grants={"bob": Grant.READ, "@authenticated": Grant.WRITE},
    max_file_size=1,
    quota=2**60,
    allowed_content_types=("image/*", "application/pdf"),
    cache_control="no-cache",
)


@pytest.mark.parametrize("file", [FILE, a_file(), a_file(size=0)])
def test_file_comes_back(file: File) -> None:
    assert load_file(dump_file(file)) == file


@pytest.mark.parametrize("bucket", [BUCKET, a_bucket(), a_bucket(allowed_content_types=(), quota=0)])
def test_bucket_comes_back(bucket: Bucket) -> None:
    assert load_bucket(dump_bucket(bucket)) == bucket


def test_sidecar_is_complete_and_readable_by_people() -> None:
    text = dump_file(FILE).decode()
    assert text.endswith("}\n")
    assert '\n  "key": "a/猫.txt",\n' in text
    names = {field.name for field in dataclasses.fields(File)}
    assert set(json.loads(text)) == names | {"format"}
    assert json.loads(text)["format"] == 1
    assert json.loads(text)["created_at"] == "2026-01-02T03:04:05.678901+00:00"


def test_bucket_record_is_complete_and_readable_by_people() -> None:
    text = dump_bucket(BUCKET).decode()
    assert '\n  "description": "Bilder 猫",\n' in text
    assert set(json.loads(text)) == {field.name for field in dataclasses.fields(Bucket)} | {"format"}
    assert json.loads(text)["format"] == 1


@pytest.mark.parametrize(
    ("noun", "rules", "table", "totals"),
    [(File, _FILE_RULES, schema.files, set()), (Bucket, _BUCKET_RULES, schema.buckets, {"file_count", "total_size"})],
    ids=["file", "bucket"],
)
def test_sidecar_and_index_keep_every_field(
    noun: Any, rules: dict[str, Rule], table: sa.Table, totals: set[str]
) -> None:
    names = {field.name for field in dataclasses.fields(noun)}
    assert set(rules) == names
    assert set(table.columns.keys()) == names | totals


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)


@given(st.builds(a_file, filename=TEXTS, size=st.integers(0), metadata=st.dictionaries(TEXTS, JSON)))
def test_sidecar_is_json_as_python_indents_it(file: File) -> None:
    text = dump_file(file).decode()
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    assert json.loads(text)["metadata"] == file.metadata


@given(
    st.builds(
        a_bucket,
        description=st.none() | TEXTS,
        grants=st.dictionaries(TEXTS, st.sampled_from(Grant)),
        allowed_content_types=st.none() | st.lists(TEXTS).map(tuple),
    )
)
def test_bucket_record_is_json_as_python_indents_it(bucket: Bucket) -> None:
    text = dump_bucket(bucket).decode()
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"


def test_time_of_another_zone_is_the_same_moment() -> None:
    moved = FILE.created_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert load_file(dump_file(dataclasses.replace(FILE, created_at=moved))) == FILE


NO_RECORDS: dict[str, bytes] = {
    "empty": b"",
    "blanks": b" \n",
    "zeros, as after a power cut": bytes(500),
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "an empty object": b"{}",
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("text", NO_RECORDS.values(), ids=NO_RECORDS)
def test_text_that_is_no_record_is_unreadable(text: bytes) -> None:
    for load in (load_file, load_bucket):
        with pytest.raises(UnreadableRecord):
            load(text)


@pytest.mark.parametrize("length", range(0, len(dump_file(FILE)) - 2, 7))
def test_sidecar_cut_anywhere_is_unreadable(length: int) -> None:
    with pytest.raises(UnreadableRecord):
        load_file(dump_file(FILE)[:length])


def changed(text: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(text) | fields).encode()


@pytest.mark.parametrize("name", json.loads(dump_file(FILE)))
def test_sidecar_without_a_field_is_unreadable(name: str) -> None:
    record = json.loads(dump_file(FILE))
    del record[name]
    with pytest.raises(UnreadableRecord):
        load_file(json.dumps(record).encode())


@pytest.mark.parametrize("name", json.loads(dump_bucket(BUCKET)))
def test_bucket_record_without_a_field_is_unreadable(name: str) -> None:
    record = json.loads(dump_bucket(BUCKET))
    del record[name]
    with pytest.raises(UnreadableRecord):
        load_bucket(json.dumps(record).encode())


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format_is_unreadable_and_named(version: object) -> None:
    with pytest.raises(UnreadableRecord, match=f"format is {version!r}, and this version reads 1"):
        load_file(changed(dump_file(FILE), format=version))


# What a slip with an editor makes of a sidecar.
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", None),
        ("key", 5),
        ("key", "a\ud800"),
        ("owner_id", "a\0"),
        ("key", ""),
        ("bucket_uid", None),
        ("blob", None),
        ("blob", "../../../etc/passwd"),
        ("filename", None),
        ("content_type", None),
        ("size", None),
        ("size", "3"),
        ("size", -1),
        ("sha256", None),
        ("owner_id", None),
        ("metadata", None),
        ("metadata", []),
        ("cache_control", 5),
        ("created_at", None),
        ("created_at", "yesterday"),
        ("created_at", "2026-01-02T03:04:05"),
        ("updated_at", 1_800_000_000),
    ],
)
def test_sidecar_with_a_wrong_value_is_unreadable(field: str, value: object) -> None:
    with pytest.raises(UnreadableRecord):
        load_file(changed(dump_file(FILE), **{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", None),
        ("uid", "../photos"),
        ("name", None),
        ("owner_id", None),
        ("created_at", "2026-01-02T03:04:05"),
        ("is_public", "no"),
        ("grants", None),
        ("grants", {"bob": "everything"}),
        ("quota", "5"),
        ("max_file_size", "5"),
        ("allowed_content_types", "image/*"),
        ("allowed_content_types", [5]),
    ],
)
def test_bucket_record_with_a_wrong_value_is_unreadable(field: str, value: object) -> None:
    with pytest.raises(UnreadableRecord):
        load_bucket(changed(dump_bucket(BUCKET), **{field: value}))
