"""The SQL index: a cache of the sidecars that answers reads and lists. Deleting it loses no file."""

from .database import Index
from .group_commit import Work
from .sqlite import damage_mark
from .transaction import Transaction

__all__ = ["Index", "Transaction", "Work", "damage_mark"]
