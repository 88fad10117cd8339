"""The headers of tus, one by one. tests/api/test_resumables.py tries what the service makes of them."""

from typing import Any

import pytest
from werkzeug.datastructures import Headers

from storage_app.api.http import tus
from storage_app.domain.resumables import MAX_PARTS
from storage_app.errors import InvalidRequest, UnsupportedMediaType, UnsupportedTusVersion
from tests.support.resumables import a_resumable


def test_version_is_the_one_that_is_spoken() -> None:
    tus.check_version(Headers({"Tus-Resumable": " 1.0.0 "}))
    for headers in (Headers(), Headers({"Tus-Resumable": "1.0"})):
        with pytest.raises(UnsupportedTusVersion) as refused:
            tus.check_version(headers)
        assert refused.value.headers == {"Tus-Version": "1.0.0"}


@pytest.mark.parametrize("value", ["application/offset+octet-stream", "Application/Offset+octet-stream; charset=x"])
def test_piece_has_its_type(value: str) -> None:
    tus.check_content_type(Headers({"Content-Type": value}))
    with pytest.raises(UnsupportedMediaType):
        tus.check_content_type(Headers({"Content-Type": f"x{value}"}))


@pytest.mark.parametrize(("value", "number"), [("0", 0), (" 7 ", 7), ("007", 7), (str(2**63 - 1), 2**63 - 1)])
def test_number_is_read(value: str, number: int) -> None:
    assert tus.number(Headers({"Upload-Offset": value}), "Upload-Offset") == number
    assert tus.number(Headers(), "Upload-Offset") is None


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.0", "0x1", "1 2", "٣", str(2**63), "9" * 30])
def test_anything_else_is_no_number(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Offset"):
        tus.number(Headers({"Upload-Offset": value}), "Upload-Offset")


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (None, None),
        ("partial", None),
        ("final;/files/resumable/a /files/resumable/b", ["a", "b"]),
        ("final; https://host/prefix/files/resumable/a?x=1  b/", ["a", "b"]),
        ("final;" + "a " * MAX_PARTS, ["a"] * MAX_PARTS),
    ],
)
def test_parts_are_the_last_segments_of_their_urls(value: str | None, ids: list[str] | None) -> None:
    assert tus.part_ids(Headers({} if value is None else {"Upload-Concat": value})) == ids


@pytest.mark.parametrize("value", ["", "final", "final;", "partial;a", "Final;a", "final;" + "a " * (MAX_PARTS + 1)])
def test_other_concatenations_are_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Concat"):
        tus.part_ids(Headers({"Upload-Concat": value}))


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", {}),
        ("a", {"a": b""}),
        ("a ,b", {"a": b"", "b": b""}),
        ("a YQ==,b YmI=", {"a": b"a", "b": b"bb"}),
        ("a YQ==, b  YmI=", {"a": b"a", "b": b"bb"}),
    ],
)
def test_metadata_is_read(value: str, pairs: dict[str, bytes]) -> None:
    assert tus.metadata(Headers({"Upload-Metadata": value})) == pairs


@pytest.mark.parametrize("value", [",", "a,", "a YQ", "a Y Q==", "a YQ==,a", "a YQ==,a YQ==", "x" * 16385])
def test_wrong_metadata_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Metadata"):
        tus.metadata(Headers({"Upload-Metadata": value}))


@pytest.mark.parametrize(
    ("upload", "headers"),
    [
        ({}, {"Upload-Length": "11"}),
        ({"length": None}, {"Upload-Defer-Length": "1"}),
        ({"upload_metadata": "a"}, {"Upload-Length": "11", "Upload-Metadata": "a"}),
        ({"upload_concat": "partial"}, {"Upload-Length": "11", "Upload-Concat": "partial"}),
    ],
)
def test_upload_is_described(upload: dict[str, Any], headers: dict[str, str]) -> None:
    found = tus.described(a_resumable(**upload), 5)
    assert found.pop("Upload-Expires").endswith(" GMT")
    assert found == {"Upload-Offset": "5"} | headers
