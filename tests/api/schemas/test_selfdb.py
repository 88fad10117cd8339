"""The requests of SelfDB 0.05's backend as fields of our nouns."""

from typing import Any

import pytest
from marshmallow import ValidationError

from storage_app.api.schemas.selfdb import NewOwnedBucketSchema


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"name": "A"}, {"name": "A"}),
        ({"name": "a", "public": True}, {"name": "a", "is_public": True}),
        ({"name": "a", "is_public": False}, {"name": "a", "is_public": False}),
        ({"name": "a", "file_size_limit": 5}, {"name": "a", "max_file_size": 5}),
        ({"name": "a", "owner_id": "42", "color": "red"}, {"name": "a", "owner_id": "42"}),
        ({"name": "a", "owner_id": None}, {"name": "a", "owner_id": None}),
    ],
)
def test_names_are_translated_and_unknown_fields_ignored(sent: dict[str, Any], fields: dict[str, Any]) -> None:
    assert NewOwnedBucketSchema().load(sent) == fields


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"name": 1},
        {"name": "a", "owner_id": ""},
        {"name": "a", "owner_id": "\x1b[2J"},
        {"name": "a", "owner_id": "é" * 128},
        {"name": "a", "public": "yes"},
    ],
)
def test_wrong_fields_are_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewOwnedBucketSchema().load(sent)
