"""Flask as this service uses it: without what each request would pay for and none needs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask import Request as FlaskRequest
from werkzeug.datastructures import EnvironHeaders

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class SentHeaders(EnvironHeaders):
    """Headers of which most that are asked for were not sent. Werkzeug learns that from an exception for each."""

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # noqa: A002
        return super().get(key, default, type) if key in self else default

    def __contains__(self, key: object) -> bool:
        name = str(key).upper().replace("-", "_")
        return (name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}") in self.environ


class Request(FlaskRequest):
    headers: SentHeaders

    def __init__(self, environ: "WSGIEnvironment", *args: Any, **kwargs: Any) -> None:
        super().__init__(environ, *args, **kwargs)
        self.headers = SentHeaders(environ)


class Application(Flask):
    """Flask with nothing asynchronous."""

    request_class = Request

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take every function as it is. Flask would look at ten and more of them for each request."""
        return func
