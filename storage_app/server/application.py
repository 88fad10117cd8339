"""gunicorn as `selfdb-storage serve` runs it: configured by the settings of the service alone."""

import logging
import shlex
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from .. import create_app
from ..errors import SettingsError
from ..settings import Settings, load_settings
from ..settings.environment import ROOT
from .configuration import configuration

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Service(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """A service that reads its settings at the start, and again on SIGHUP. `run` returns at the end of the service."""

    settings: Settings

    def load_config(self) -> None:
        self.settings = load_settings()
        for name, value in configuration(self.settings).items():
            self.cfg.set(name, value)
        when_ready = self.cfg.when_ready

        def greet(server: Any) -> None:
            when_ready(server)
            if self.settings.log_format == "text":  # a reader of JSON is no human
                sys.stdout.write(hints(self.settings))
                sys.stdout.flush()

        self.cfg.set("when_ready", greet)

    def load(self) -> "WSGIApplication":
        """Create the application, in a worker, with the settings that its master has read."""
        return create_app(self.settings)

    def reload(self) -> None:
        """Read the settings again. If one is wrong, log which, and keep those in force: only a start may refuse."""
        try:
            load_settings()
        except SettingsError as error:
            logging.getLogger("gunicorn.error").error("The settings stay as they were: %s", error.detail)
        else:
            super().reload()


def hints(settings: Settings) -> str:
    """Return what a person at the terminal can do next."""
    return f"""
  API docs    {settings.public_url}/docs
  A token     cd {shlex.quote(str(ROOT))} && {shlex.quote(sys.argv[0])} token --sub alice
  Files       {settings.storage_path}
  Stop        Ctrl-C

"""
