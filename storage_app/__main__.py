"""The command `selfdb-storage`: `serve`, and the commands for operators."""

import sys

import click
from flask import Flask
from flask.cli import ScriptInfo

from . import create_app
from .cli import storage_commands
from .errors import SettingsError
from .settings import drop_empty_variables, load_settings


@click.command()
def serve() -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    try:
        load_settings()
    except SettingsError as error:
        sys.exit(error.detail)
    drop_empty_variables()
    # gunicorn reads WEB_CONCURRENCY when it is imported, and would end with a traceback if it were empty or no number.
    from .server.application import Service  # noqa: PLC0415

    Service().run()


commands = click.Group(
    "selfdb-storage",
    {**storage_commands.commands, "serve": serve},
    params=storage_commands.params,
    help="Run the storage service, and look after it.",
)


def _application() -> Flask:
    try:
        return create_app()
    except SettingsError as error:
        sys.exit(error.detail)


def main() -> None:
    """Run the command that the arguments of this process name, and exit with its code."""
    commands.main(prog_name="selfdb-storage", obj=ScriptInfo(create_app=_application))


if __name__ == "__main__":
    main()
