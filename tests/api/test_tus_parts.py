"""The headers of tus in the OpenAPI document are those that the service sends and reads."""

from typing import Any

import pytest

from storage_app.api import tus_parts
from storage_app.api.http import tus
from tests.support.resumables import a_resumable

WHOLE = a_resumable(upload_metadata="a", upload_concat="partial")
VERSION = {"Tus-Resumable"}


@pytest.mark.parametrize(
    ("described", "sent"),
    [
        (tus_parts.about(), set(tus.about(WHOLE, 0)) | VERSION),
        (tus_parts.created(), {"Location", *tus.about(WHOLE, 0)} | VERSION),
        (tus_parts.described(), {"Upload-Defer-Length", *tus.described(WHOLE, 0)} | VERSION),
    ],
)
def test_answers_are_described(described: dict[str, Any], sent: set[str]) -> None:
    assert set(described) == sent
