"""The SQL index: a cache of the sidecars that answers reads and lists. Deleting it loses no file."""

from ..domain.intents import Intent, IntentKind, PendingDeletion
from .database import Index
from .sqlite import damage_mark
from .transaction import Transaction

__all__ = ["Index", "Intent", "IntentKind", "PendingDeletion", "Transaction", "damage_mark"]
