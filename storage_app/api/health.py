"""The routes of the service itself: its name and links, liveness and readiness."""

import threading
import time
from typing import Any

from flask.views import MethodView

from ..errors import StorageError, Unavailable
from ..version import __version__
from .blueprint import Access, Blueprint
from .context import g
from .schemas.responses import HealthSchema, ServiceSchema

blueprint = Blueprint("Service", __name__, description="The service itself: its version, and whether it can serve.")

_REMEMBER_SECONDS = 1.0


@blueprint.route("/")
class Root(MethodView):
    @blueprint.access(Access.PUBLIC)
    @blueprint.doc(operationId="getService")
    @blueprint.response(200, ServiceSchema)
    def get(self) -> Any:
        """Show the name and version of the service, and links."""
        paths = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health", "ready": "/health/ready"}
        links = {name: g.storage.settings.public_url + path for name, path in paths.items()}
        return {"name": "SelfDB storage", "version": __version__, "links": links}


@blueprint.route("/health")
class Health(MethodView):
    @blueprint.access(Access.PUBLIC, Unavailable)
    @blueprint.doc(operationId="checkHealth")
    @blueprint.response(200, HealthSchema)
    def get(self) -> Any:
        """Check that the process answers and its store was recovered, without touching the disk."""
        g.storage.ensure_open()
        return {"status": "healthy"}


class Readiness:
    """Checks whether a write would succeed, at most once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._failure: str | None = None

    def check(self) -> None:
        """Raise `Unavailable` if the last check failed, with the failure."""
        with self._lock:
            if time.monotonic() - self._checked_at >= _REMEMBER_SECONDS:
                self._failure = _first_failure()
                self._checked_at = time.monotonic()
        if self._failure is not None:
            raise Unavailable(self._failure)


@blueprint.route("/health/ready")
class Ready(MethodView):
    readiness = Readiness()

    @blueprint.access(Access.PUBLIC, Unavailable)
    @blueprint.doc(operationId="checkReadiness")
    @blueprint.response(200, HealthSchema)
    def get(self) -> Any:
        """Check that the store can be written and the index answers. A 503 tells which one failed."""
        self.readiness.check()
        return {"status": "ready"}


def _first_failure() -> str | None:
    try:
        g.services.store.probe()
        g.services.logs.probe()
    except StorageError as error:
        return f"The store cannot be written: {error.detail}"
    try:
        g.services.index.probe()
    except StorageError as error:
        return f"The index cannot be asked: {error.detail}"
    return None
