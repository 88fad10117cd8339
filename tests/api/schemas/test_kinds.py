"""The kinds of values that requests share: what the document's pattern refuses, the rule refuses too."""

import re
from typing import Any

import marshmallow as ma
import pytest

from storage_app.api.schemas.kinds import BUCKET, CACHE_CONTROL, CONTENT_TYPE, FILENAME, KEY, PATH_PARAMETERS

CHECKED = {"key": KEY, "bucket": BUCKET, "filename": FILENAME, "cache control": CACHE_CONTROL}


def fits(kind: dict[str, Any], value: str) -> bool:
    """Whether the document allows `value`."""
    return re.search(kind["metadata"]["pattern"], value) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", "2026/cat.jpg"),
        ("key", "…/.a/..a/a..b/.../a."),
        ("bucket", "a.b-c.123"),
        ("filename", "a/b c.jpg"),
        ("cache control", 'max-age=5, private="x"'),
    ],
)
def test_value_that_the_rule_takes_fits_the_pattern(name: str, value: str) -> None:
    CHECKED[name]["validate"](value)
    assert fits(CHECKED[name], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("key", key) for key in ("", "/a", "a/", "a//b", "a/./b", "..", "a/../b", "a\x00b", "a\x85b")),
        *(("bucket", bucket) for bucket in ("Ab-c", "-abc", "abc-.", "a..b", "a_b", "")),
        *(("filename", filename) for filename in ("", "a\nb", "a\x7fb")),
        *(("cache control", text) for text in ("", " a", "a\r\nb", "é")),
    ],
)
def test_value_that_does_not_fit_the_pattern_is_refused_by_the_rule(name: str, value: str) -> None:
    assert not fits(CHECKED[name], value)
    with pytest.raises(ma.ValidationError):
        CHECKED[name]["validate"](value)


@pytest.mark.parametrize(("value", "fit"), [("image/jpeg", True), (" a/b ; c=d", True), ("*/*", False), ("png", False)])
def test_content_type_is_that_of_one_file(value: str, *, fit: bool) -> None:
    assert fits(CONTENT_TYPE, value) is fit


def test_parameters_of_paths_are_described_by_their_kinds() -> None:
    assert PATH_PARAMETERS["bucket_id"]["schema"]["pattern"] == BUCKET["metadata"]["pattern"]
    assert PATH_PARAMETERS["file_id"]["schema"]["maxLength"] == KEY["metadata"]["maxLength"]
    assert all(parameter["description"] for parameter in PATH_PARAMETERS.values())
