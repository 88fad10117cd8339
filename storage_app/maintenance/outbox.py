"""The opening of the outbox: what is missing is made, and what is damaged is put aside."""

import logging
import os

from ..domain.times import now
from ..errors import Unavailable
from ..host.layout import Layout
from ..host.locks import exclusive
from ..index import Index, Outbox

log = logging.getLogger(__name__)

_SUFFIXES = ("", "-wal", "-shm")


def open_outbox(layout: Layout, index: Index, *, durable: bool) -> Outbox:
    """Open the outbox of the store, and have transactions of `index` announce their changes. The caller closes it.

    Without `durable`, a power cut may take its last events. Raises `Unavailable` and `InsufficientStorage`.
    """
    outbox = index.outbox(layout.events, durable=durable)
    if outbox.path is None:
        outbox.create()
        return outbox
    with exclusive(layout.events.with_name("events-open.lock")):
        if not layout.events.exists():
            log.warning("there is no outbox yet: if there was one, events that were not delivered are lost")
        try:
            outbox.create()
        except Unavailable:
            if not outbox.is_damaged:
                raise
            outbox.close()
            _put_aside(layout)
            outbox = index.outbox(layout.events, durable=durable)
            outbox.create()
    return outbox


def _put_aside(layout: Layout) -> None:
    aside = layout.lost_and_found / f"events-{now():%Y%m%dT%H%M%S.%f}"
    log.error("the outbox is damaged: it is in %s now, and events that were not delivered are lost", aside)
    aside.mkdir()
    for suffix in _SUFFIXES:
        path = layout.events.with_name(layout.events.name + suffix)
        if path.exists():
            os.rename(path, aside / path.name)
