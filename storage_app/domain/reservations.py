"""Reservations of space for bodies that nginx has begun to spool."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """The place of one body in the spool, until it has arrived, or until `expires_at` at the latest.

    It reserves `size` bytes of the disk, and `growth` bytes of the bucket's quota. `uploader` is the `sub` of the
    principal, or "" for all anonymous ones.
    """

    id: str
    uploader: str
    bucket_uid: str
    size: int
    growth: int
    expires_at: datetime
