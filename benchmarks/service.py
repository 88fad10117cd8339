"""The service as it is started in earnest: gunicorn with the project's configuration and two workers."""

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from storage_app.auth.credentials import Logins
from storage_app.settings import ROOT

from .processes import HOST, Server, free_port

SECRET_KEY = "a-secret-key-for-benchmarks-of-32-bytes-or-more"  # noqa: S105  it guards nothing
OWNER = "owner"

_LOGIN_SECONDS = 86400


class Service(Server):
    """gunicorn with the settings of `environment`, at a free port."""

    def __init__(self, environment: Mapping[str, str], log: Path | None = None) -> None:
        port = free_port()
        super().__init__(
            "The service",
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
            port=port,
            environment={"HOST": HOST, "PORT": str(port), "WEB_CONCURRENCY": "2", "THREADS": "32", **environment},
            log=log,
        )

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=60)

    def answers(self) -> bool:
        connection = self.connection()
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def authorization() -> dict[str, str]:
    """Return the header of a user called `OWNER`."""
    login = Logins(SECRET_KEY, "HS256", None).issue(OWNER, role=None, expires_in=_LOGIN_SECONDS)
    return {"Authorization": f"Bearer {login}"}


def refuse_other_index() -> None:
    """Raise `ValueError` when `.env` would lead the processes to an index that is not a store's own."""
    if dotenv_values(ROOT / ".env").get("INDEX_URL"):
        raise ValueError("INDEX_URL is set in .env: take it out there, so that its database stays as it is.")
