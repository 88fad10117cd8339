"""Run the service, and print its addresses and how to get a token as soon as it listens. run.sh runs this."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.wsgiapp import WSGIApplication

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from storage_app.settings import Settings, load_settings  # noqa: E402

TOKEN_COMMAND = ".venv/bin/flask --app wsgi storage token --sub alice"  # noqa: S105


class Service(WSGIApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with `gunicorn.conf.py`, which it finds in the current folder."""

    def load_config(self) -> None:
        super().load_config()
        when_ready = self.cfg.when_ready

        def say(server: Any) -> None:
            when_ready(server)
            print(hints(load_settings()), flush=True)

        self.cfg.set("when_ready", say)


def main() -> None:
    os.chdir(ROOT)
    if not os.environ.get("WEB_CONCURRENCY", "").strip():
        os.environ.pop("WEB_CONCURRENCY", None)  # gunicorn reads it itself, and would refuse an empty one
    Service().run()


def hints(settings: Settings) -> str:
    """Return the text for the terminal."""
    return f"""
  API docs    {settings.public_url}/docs
  A token     cd {shlex.quote(str(ROOT))} && {TOKEN_COMMAND}
  Files       {settings.storage_path}
  Stop        Ctrl-C
"""


if __name__ == "__main__":
    main()
