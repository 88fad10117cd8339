"""A service that is killed while it works."""

import time
from contextlib import ExitStack, closing

from storage_app.layout import Layout

from .clients import OverHttp, begin_upload
from .processes import Service, wait_briefly

_WRITES = 50
_CUT_UPLOADS = 8
_WAIT_SECONDS = 30


def kill_in_the_middle(service: Service) -> None:
    """Write a little, then kill every process while uploads are in progress: their notes and bytes are left."""
    with ExitStack() as stack:
        client = stack.enter_context(OverHttp(service.store, service.connection()))
        for number in range(_WRITES):
            client.upload(f"new-{number}")
            client.delete(f"new-{number}")
        for number in range(_CUT_UPLOADS):
            begin_upload(stack.enter_context(closing(service.connection())), f"cut-{number}")
        _wait_for_uploads(service)
        service.kill()


def _wait_for_uploads(service: Service) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while _staged(service) < _CUT_UPLOADS:
        if time.monotonic() > deadline:
            raise RuntimeError("The uploads that were to be cut did not begin.")
        wait_briefly()


def _staged(service: Service) -> int:
    staging = Layout(service.store.path).staging
    return sum(1 for directory in staging.iterdir() for _ in directory.iterdir())
