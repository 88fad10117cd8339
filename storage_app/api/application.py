"""Flask as this service uses it."""

from collections.abc import Callable
from typing import Any

from flask import Flask


class Application(Flask):
    """Flask with nothing asynchronous."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take every function as it is. Flask would look at ten and more of them for each request."""
        return func
