"""The application that gunicorn and the flask command load: `gunicorn wsgi:app`, `flask --app wsgi`."""

import sys

from storage_app import create_app
from storage_app.errors import SettingsError, StoreUnusable

try:
    app = create_app()
except (SettingsError, StoreUnusable) as error:
    # The message says it all, so no traceback.
    sys.stderr.write(f"{error.detail}\n")
    sys.exit(1)
