"""Requests to copy files: what they say, and what holds where nothing is said."""

from typing import Any

import pytest
from marshmallow import ValidationError

from storage_app.api.schemas.copies import CopySchema

PLACE = {"bucket_id": "photos", "file_id": "a.txt"}
COPY = {"source": PLACE, "destination": PLACE | {"file_id": "b.txt"}}


@pytest.mark.parametrize(
    ("sent", "loaded"),
    [
        ({}, {}),
        ({"overwrite": True}, {"overwrite": True}),
        ({"source_etag": '"x"'}, {"source_etag": '"x"'}),
        ({"source_etag": None, "metadata": None, "content_type": None, "overwrite": None}, {}),
        ({"filename": None, "cache_control": None}, {"filename": None, "cache_control": None}),
    ],
)
def test_null_is_as_good_as_nothing_unless_it_means_no_value(sent: dict[str, Any], loaded: dict[str, Any]) -> None:
    assert CopySchema().load(COPY | sent) == {**COPY, "overwrite": False, **loaded}


@pytest.mark.parametrize("bucket", ["photos", "other"])
def test_copy_to_its_own_place_is_refused(bucket: str) -> None:
    body = {"source": PLACE, "destination": PLACE | {"bucket_id": bucket}}
    if bucket == "other":
        CopySchema().load(body)
    else:
        with pytest.raises(ValidationError, match="the place of the source"):
            CopySchema().load(body)
