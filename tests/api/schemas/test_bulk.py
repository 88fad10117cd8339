"""The answer of an operation on many files."""

import marshmallow as ma
import pytest

from storage_app.api.schemas.bulk import bulk_json, check_prefix
from storage_app.errors import Forbidden
from storage_app.services.bulk import BulkResult


def test_answer_names_what_failed() -> None:
    result = BulkResult(3, complete=True)
    result.fail("я/b", Forbidden("You may not."))
    assert bulk_json(result, "moved") == {
        "moved": 3,
        "failed": [{"file_id": "я/b", "code": "forbidden"}],
        "complete": True,
    }


@pytest.mark.parametrize("prefix", ["", "x" * 1025, "я" * 513])
def test_prefix_that_no_key_or_every_key_begins_with_is_refused(prefix: str) -> None:
    with pytest.raises(ma.ValidationError, match="1 to 1024 bytes"):
        check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["/", "2026", "я" * 512])
def test_prefix_may_end_anywhere(prefix: str) -> None:
    assert check_prefix(prefix) == prefix
