"""The SQL index: a cache of the sidecars that answers reads and lists. Deleting it loses no file."""

from .database import Index
from .group_commit import Work
from .outbox import Event, Outbox, State
from .sqlite import damage_mark
from .transaction import Transaction

__all__ = ["Event", "Index", "Outbox", "State", "Transaction", "Work", "damage_mark"]
