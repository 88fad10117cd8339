"""Records on the disk: what people can read, and what a record must be to be read."""

import json

import pytest

from storage_app.blobstore import records
from storage_app.blobstore.records import UnreadableRecord

RULES = {"name": records.text, "size": records.count}


@pytest.mark.parametrize("record", [{"name": "é", "size": 1}, {"name": "a", "size": 0, "more": {"k": [1]}}])
def test_record_is_json_that_people_can_read(record: dict[str, object]) -> None:
    text = records.dump(record)
    assert json.loads(text) == {"format": 1, **record}
    assert text.decode() == json.dumps({"format": 1, **record}, ensure_ascii=False, indent=2) + "\n"
    assert records.load(text, RULES) == {"name": record["name"], "size": record["size"]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "name": "a", "size": 1}',
        b'{"format": 1, "name": "a"}',
        b'{"format": 1, "name": 1, "size": 1}',
        b'{"format": 1, "name": "a", "size": -1}',
        b'{"format": 1, "name": "a\\u0000", "size": 1}',
    ],
)
def test_record_that_breaks_a_rule_is_unreadable(text: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        records.load(text, RULES)
