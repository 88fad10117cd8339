"""Print where the service will be and how to get a token, and then become gunicorn. run.sh runs this."""

import os
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from storage_app.errors import SettingsError  # noqa: E402
from storage_app.settings import Settings, load_settings  # noqa: E402

GUNICORN = ROOT / ".venv" / "bin" / "gunicorn"
TOKEN_COMMAND = ".venv/bin/flask --app wsgi storage token --sub alice"  # noqa: S105


def main() -> None:
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(error.detail)
    print(hints(settings), flush=True)
    # exec keeps the process id, so that one signal ends everything.
    os.execve(GUNICORN, [str(GUNICORN)], environment())  # noqa: S606


def environment() -> dict[str, str]:
    """Return the environment without an empty WEB_CONCURRENCY, which gunicorn reads itself and would refuse."""
    return {name: value for name, value in os.environ.items() if name != "WEB_CONCURRENCY" or value.strip()}


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
