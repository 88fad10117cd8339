"""The id of a store, which its index carries too: one index must not serve two stores.

Each of two stores would take the processes of the other for dead, and a rebuild of one would empty the index of both.
"""

import json
import re
import secrets

from ..errors import StoreUnusable
from ..host.files import replace_durably
from ..host.layout import Layout
from ..index import Index

FORMAT = 1
_ID = re.compile(r"[0-9a-f]{32}")


def read_store_id(layout: Layout) -> str | None:
    """Return the id of the store at `layout`, or None if it has none yet. Raises `StoreUnusable`."""
    try:
        identity = json.loads(layout.identity.read_bytes())
        if identity["format"] == FORMAT and _ID.fullmatch(identity["id"]):
            return str(identity["id"])
        reason = f"it is not of format {FORMAT}, or its id is wrong"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = repr(error)
    raise StoreUnusable(
        f"{layout.identity} cannot be read ({reason}): restore it from a backup, or remove it, and the next start "
        "gives the store a new id."
    )


def ensure_store_id(layout: Layout) -> str:
    """Return the id of the store. Give it one, durably, if it has none. The caller holds the start lock.

    Raises OSError, and `StoreUnusable` as `read_store_id` does.
    """
    known = read_store_id(layout)
    if known is not None:
        return known
    made = secrets.token_hex(16)
    replace_durably(layout.identity, json.dumps({"format": FORMAT, "id": made}).encode() + b"\n")
    return made


def claim(index: Index) -> None:
    """Make a complete index that of its store, if it has no owner, or if it is a file whose store got another id."""
    if index.store is not None and index.owner() != index.store:
        with index.write() as transaction:
            transaction.claim(index.store)


def check_store(layout: Layout, index: Index) -> None:
    """Raise `StoreUnusable` if the index on a server was made for another store, or cannot be read."""
    owner = index.owner()
    if owner is not None and owner != index.store:
        raise StoreUnusable(
            f"The index at INDEX_URL was made for the store with the id {owner}, and STORAGE_PATH={layout.root} is the "
            f"store with the id {index.store}: set INDEX_URL to a database of its own. If this store is a copy that "
            "replaces the other one, stop that service and run 'selfdb-storage rebuild --take-over'."
        )
