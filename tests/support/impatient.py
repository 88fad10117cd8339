"""The application for tests of silent clients: it waits for a second where the real one waits for a minute."""

from storage_app.server.connection import ConnectionRules

ConnectionRules.silence_seconds = 1

from wsgi import app  # noqa: E402  only now, so that nothing has waited longer

__all__ = ["app"]
