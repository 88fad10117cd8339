"""A receiver of webhooks, and an endpoint that sends to it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage_app.domain.changes import Change
from storage_app.events.endpoint import Endpoint
from tests.support.receiver import SECRET, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


def described(change: Change) -> dict[str, object]:
    return {"bucket_id": change.bucket.name, "id": change.key}


@pytest.fixture
def endpoint(receiver: Receiver) -> Iterator[Endpoint]:
    with closing(Endpoint(receiver.url, SECRET, described)) as endpoint:
        yield endpoint
