"""A service that is killed while it works."""

import time
from contextlib import ExitStack, closing

from storage_app.host.layout import Layout

from ..processes import wait_briefly
from ..service import Service
from .clients import OverHttp, begin_upload
from .stores import MeasuredStore

_WRITES = 50
_CUT_UPLOADS = 8
_WAIT_SECONDS = 30


def kill_in_the_middle(store: MeasuredStore, service: Service) -> None:
    """Write a little, then kill every process while uploads are in progress: their notes and bytes are left."""
    with ExitStack() as stack:
        client = stack.enter_context(OverHttp(store, service.connection()))
        for number in range(_WRITES):
            client.upload(f"new-{number}")
            client.delete(f"new-{number}")
        for number in range(_CUT_UPLOADS):
            begin_upload(stack.enter_context(closing(service.connection())), f"cut-{number}")
        _wait_for_uploads(store)
        service.kill()


def _wait_for_uploads(store: MeasuredStore) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while _staged(store) < _CUT_UPLOADS:
        if time.monotonic() > deadline:
            raise RuntimeError("The uploads that were to be cut did not begin.")
        wait_briefly()


def _staged(store: MeasuredStore) -> int:
    staging = Layout(store.path).staging
    return sum(1 for directory in staging.iterdir() for _ in directory.iterdir())
