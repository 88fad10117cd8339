"""Log lines: one format for the service and for gunicorn, with the request's id, and nothing of a user's raw."""

import json
import logging
import logging.config
import re
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

# A JSON Web Token, in whatever spelling of a signed URL; whoever reads the log must not get it.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request_id"}
_JSON = json.JSONEncoder(default=str)


class RequestIdFilter(logging.Filter):
    """Adds the id of the request that a line belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):  # one that came with the line is of a request that has no context
            record.request_id = g.get("request_id", "-") if has_request_context() else "-"
        return True


class TextFormatter(logging.Formatter):
    """One line a record: time, level, request, logger, message, then what came with it as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(f" {name}={_shown(value)}" for name, value in _extras(record).items())
        line = (
            f"{_time(record)} {record.levelname} [{getattr(record, 'request_id', '-')}] {record.name}: "
            f"{loggable(record.getMessage())}{extras}"
        )
        return line + _trace(self, record)


class JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "request_id": getattr(record, "request_id", "-"),
            "logger": record.name,
            "message": loggable(record.getMessage()),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _JSON.encode(line)


def configuration(level: str, form: str) -> dict[str, Any]:
    """Return a `logging.config` dictionary. `form` is `text` or `json`."""
    handler = {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stderr",
        "formatter": form,
        "filters": ["request_id"],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {"text": {"()": TextFormatter}, "json": {"()": JsonFormatter}},
        "handlers": {"stderr": handler},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "storage_app": {"level": level, "handlers": ["stderr"], "propagate": False},
            "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
        },
    }


def configure(level: str, form: str) -> None:
    """Log so in this process, and of every record only what these formats show."""
    logging.config.dictConfig(configuration(level, form))
    # No line shows them, and every record would ask for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # Nor the line of code that logged, for which the stack is searched: so `logging` documents to leave it out.
    logging._srcfile = None  # noqa: SLF001


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _shown(value: Any) -> str:
    return str(value) if type(value) in (int, float) else _JSON.encode(value)


def loggable(text: str) -> str:
    """Return `text` without tokens, and with nothing in it that could end a line."""
    shown = _TOKEN.sub("…", text)
    if shown.isprintable():
        return shown
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""
