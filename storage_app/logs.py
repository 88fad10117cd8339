"""Logging: one format for the service and gunicorn, with the request id, safe against injected lines and tokens."""

import json
import logging
import logging.config
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from flask import g, has_request_context

# A JSON Web Token, such as the one in a signed URL, or the id of a resumable upload: a reader of the log must not be
# able to use it.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=/resumable/)(?!signed/)[^\s?#]+")
_MAX_ENCODINGS = 3
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request_id"}
_JSON = json.JSONEncoder(default=str)
_IN_COMMON = vars(logging.makeLogRecord({"name": "storage_app.access", "msg": "answered"}))


class Answered(logging.LogRecord):
    """The record of a request in the access log, whose `fields` are its extras.

    An ordinary record would find out anew what all of them have in common, and its extras would be picked out of forty
    attributes: together, 5 % of a small download.
    """

    def __init__(self, level: int, request_id: str, fields: Mapping[str, Any]) -> None:
        self.__dict__ = {**_IN_COMMON, **fields}
        self.created = time.time()
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.request_id = request_id
        self.fields = fields


class RequestIdFilter(logging.Filter):
    """A filter that adds the id of the current request to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):  # the caller may pass the id itself, outside a request context
            record.request_id = g.get("request_id", "-") if has_request_context() else "-"
        return True


class TextFormatter(logging.Formatter):
    """One line for each record: time, level, request id, logger, message, then the extras that are not None.

    An extra is `name=value`, in the notation of JSON.
    """

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join([f" {name}={_shown(value)}" for name, value in _extras(record).items() if value is not None])
        line = (
            f"{_time(record)} {record.levelname} [{getattr(record, 'request_id', '-')}] {record.name}: "
            f"{loggable(record.getMessage())}{extras}"
        )
        return line + _trace(self, record)


class JsonFormatter(logging.Formatter):
    """One JSON object for each record."""

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
    """Set up logging in this process. Records then collect only the attributes that the formats show."""
    logging.config.dictConfig(configuration(level, form))
    # No format shows these, and each record would look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # Nor the caller, for which each record would walk the stack. The HOWTO of `logging` documents this switch.
    logging._srcfile = None  # noqa: SLF001


def _time(record: logging.LogRecord) -> str:
    second, fraction = divmod(record.created, 1)
    return f"{_date(second)}.{min(999, round(1_000_000 * fraction) // 1000):03}Z"


@lru_cache(maxsize=1)  # every line of a second needs it
def _date(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    if isinstance(record, Answered):
        return record.fields
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _shown(value: Any) -> str:
    return str(value) if type(value) in (int, float) else _JSON.encode(value)


def loggable(text: str) -> str:
    """Return `text` with tokens removed and unprintable characters escaped, so that it cannot end a line."""
    shown = _TOKEN.sub("…", text)
    if "%" in shown:
        shown = _without_encoded_tokens(shown)
    if shown.isprintable():
        return shown
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)


def _without_encoded_tokens(text: str) -> str:
    """Return `text`, decoded if it holds a token that is percent-encoded, even more than once, and without it."""
    decoded = text
    for _ in range(_MAX_ENCODINGS):
        decoded = unquote(decoded)
        if _TOKEN.search(decoded):
            return _TOKEN.sub("…", decoded)
    return text


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""
