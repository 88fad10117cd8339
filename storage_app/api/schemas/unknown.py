"""Names in a request that its route does not know, and the known ones that were probably meant."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

# The most errors of a refusal. A body may hold thousands, and a client reads the first ones.
MAX_ERRORS = 20
# Comparing a longer name takes longer than it is worth.
_MAX_COMPARED = 64


def unknown_names(given: Iterable[str], known: Collection[str], noun: str) -> dict[str, list[str]]:
    """Return a message for each of `given` that is not `known`, by name; MAX_ERRORS at most."""
    unknown = islice((name for name in given if name not in known), MAX_ERRORS)
    return {name: [_message(name, known, noun)] for name in unknown}


def _message(name: str, known: Collection[str], noun: str) -> str:
    near = get_close_matches(name, known, n=1) if len(name) <= _MAX_COMPARED else []
    if near:
        return f"Unknown {noun}; did you mean '{near[0]}'?"
    listed = ", ".join(f"'{each}'" for each in sorted(known))
    return f"Unknown {noun}; " + (f"this route knows {listed}." if listed else "this route has none.")
