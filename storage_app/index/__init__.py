"""The SQL index: a cache of the sidecars, and what reads ask. Delete it, rebuild it, lose no file."""

from ..domain.intents import Memory, Note, NoteKind
from .database import Index
from .sqlite import damage_mark
from .transaction import Transaction

__all__ = ["Index", "Memory", "Note", "NoteKind", "Transaction", "damage_mark"]
