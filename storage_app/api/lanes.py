"""Lanes: the routes whose work is long. A server may let other requests overtake those of a lane."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from flask import Flask

_VARIABLE = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Lane:
    """The requests of one or more routes, of which a worker runs `at_once` at a time and lets the others wait."""

    name: str
    at_once: int


# A page of a list may take milliseconds of processor time, or longer if few of many files match.
LISTS = Lane("lists", at_once=2)


def finder(app: Flask) -> Callable[[str, str], Lane | None]:
    """Return a function that finds the lane of a request by its method and its path, as the client encoded it."""
    routes = list(_routes(app))
    known = re.compile("|".join(f"({pattern})" for pattern, _ in routes), re.DOTALL)

    def find(method: str, path: str) -> Lane | None:
        match = known.fullmatch(f"{method} {unquote(path)}")
        return None if match is None else routes[(match.lastindex or 0) - 1][1]

    return find


def _routes(app: Flask) -> Iterator[tuple[str, Lane]]:
    """Yield the pattern of each method and path that has a lane."""
    for rule in app.url_map.iter_rules():
        view = getattr(app.view_functions[rule.endpoint], "view_class", None)
        path = ".+".join(re.escape(text) for text in _VARIABLE.split(rule.rule))
        for method in rule.methods or ():
            lane = getattr(getattr(view, "get" if method == "HEAD" else method.lower(), None), "lane", None)
            if lane is not None:
                yield f"{method} {path}", lane
