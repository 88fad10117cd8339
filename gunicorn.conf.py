"""The configuration for `gunicorn wsgi:app` in this folder: that of `selfdb-storage serve`. SIGHUP reads it again."""

import sys
from pathlib import Path

from storage_app.errors import SettingsError
from storage_app.server.configuration import configuration
from storage_app.settings import load_settings

wsgi_app = "wsgi:app"
chdir = str(Path(__file__).resolve().parent)

try:
    globals().update(configuration(load_settings()))
except SettingsError as error:
    sys.exit(error.detail)
