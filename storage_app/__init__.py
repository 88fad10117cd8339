"""A self-hosted file storage service: buckets and files over HTTP, plain files and JSON on disk."""

from functools import partial

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import api, cli, logs
from .api.schemas.responses import change_json
from .host.files import keep_private
from .host.memory import end_without_collection
from .metrics import Metrics
from .node import Storage
from .settings import Settings, load_settings


def create_app(settings: Settings | None = None) -> Flask:
    """Create the application. Without `settings`, read them from the environment and `.env`.

    From now on, this process creates only files that its user alone may read, and ends without collecting garbage. The
    store is opened later: by the first request, or by `app.extensions["storage"].start()`. Raises `SettingsError`.
    """
    settings = settings or load_settings()
    keep_private()
    end_without_collection()
    logs.configure(settings.log_level, settings.log_format)
    app = Flask(__name__, static_folder=None)
    app.extensions["storage"] = Storage(
        settings,
        listener=api.audit.on_change if settings.audit_log else None,
        describe=partial(change_json, settings),
    )
    app.extensions["metrics"] = Metrics()
    api.init_app(app, settings)
    cli.init_app(app)
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
