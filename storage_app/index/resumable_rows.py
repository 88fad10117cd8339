"""The rows of resumable uploads in a write transaction. They are made from the records on the disk."""

from collections.abc import Collection

import sqlalchemy as sa

from ..domain.resumables import ResumableReservation
from . import rows
from .schema import resumables


class ResumableRows:
    """What resumable uploads reserve. A rebuild drops the rows, and makes them again."""

    _connection: sa.Connection

    def put_resumable(self, reservation: ResumableReservation) -> None:
        """Record what an upload reserves, or replace what it reserved before."""
        self.end_resumables([reservation.id])
        self._connection.execute(sa.insert(resumables).values(**rows.RESUMABLES.to_row(reservation)))

    def resumable(self, upload_id: str) -> ResumableReservation | None:
        """Return what an upload reserves."""
        row = self._connection.execute(sa.select(resumables).where(resumables.c.id == upload_id)).first()
        return None if row is None else rows.RESUMABLES.from_row(row)

    def receive_resumable(self, upload_id: str, received: int) -> None:
        """Record that `received` bytes of an upload are on the disk."""
        self._connection.execute(sa.update(resumables).where(resumables.c.id == upload_id).values(received=received))

    def end_resumables(self, ids: Collection[str]) -> None:
        """Delete the rows of these uploads, as far as they are there."""
        self._connection.execute(sa.delete(resumables).where(resumables.c.id.in_(ids)))

    def open_resumables(self, *, uploader: str | None = None, but: Collection[str] = ()) -> tuple[int, int]:
        """Return the number of uploads that are not finished, and how many bytes they may still send.

        With `uploader`, only those of this one count. Those with the ids in `but` do not.
        """
        unsent = sa.func.coalesce(sa.func.sum(resumables.c.size - resumables.c.received), 0)
        query = sa.select(sa.func.count(), unsent).where(resumables.c.is_open, resumables.c.id.not_in(but))
        if uploader is not None:
            query = query.where(resumables.c.uploader == uploader)
        count, size = self._connection.execute(query).one()
        return int(count), int(size)
