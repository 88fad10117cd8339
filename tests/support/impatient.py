"""The application for tests of slow clients: it waits for a second where the real one waits for ten or sixty."""

from storage_app.api import blueprint
from storage_app.server.connection import ConnectionRules

ConnectionRules.silence_seconds = 1
blueprint.JSON_SECONDS = 1

from wsgi import app  # noqa: E402  only now, so that nothing has waited longer

__all__ = ["app"]
