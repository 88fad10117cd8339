"""Lines of the log: one for each record, with the request's id, and without anything that a client could put there."""

import io
import json
import logging
import logging.config
import sys

import pytest
from flask import Flask, g

from storage_app.logs import Answered, JsonFormatter, RequestIdFilter, TextFormatter, configuration, loggable
from tests.support.service import token


def a_record(message: str, *arguments: object, failed: bool = False, **extras: object) -> logging.LogRecord:
    try:
        raise ValueError("the cause")
    except ValueError:
        cause = sys.exc_info() if failed else None
    record = logging.LogRecord("storage_app.test", logging.WARNING, __file__, 1, message, arguments, cause)
    record.created = 1767323045.25
    record.request_id = "id-1"
    vars(record).update(extras)
    return record


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (a_record("done"), "done"),
        (a_record("%s of %d", "one", 2), "one of 2"),
        (a_record("done", status=201, bytes_in=None), "done status=201"),
        (a_record("done", path='/a "b"\n', ms=0.5), 'done path="/a \\"b\\"\\n" ms=0.5'),
        (a_record("a\r\n2026 ERROR forged"), "a\\r\\n2026 ERROR forged"),
        (a_record("a\x1b[31m\u2028é"), "a\\x1b[31m\\u2028é"),
    ],
)
def test_text_is_one_line_with_its_extras(record: logging.LogRecord, line: str) -> None:
    assert TextFormatter().format(record) == f"2026-01-02T03:04:05.250Z WARNING [id-1] storage_app.test: {line}"


def test_json_has_a_member_for_each_of_them() -> None:
    line = JsonFormatter().format(a_record("a\n%s", "b", status=201, path="/é"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-01-02T03:04:05.250Z",
        "level": "WARNING",
        "request_id": "id-1",
        "logger": "storage_app.test",
        "message": "a\\nb",
        "status": 201,
        "path": "/é",
    }


def test_failure_comes_with_its_trace() -> None:
    record = a_record("failed", failed=True)
    text, shown = TextFormatter().format(record), json.loads(JsonFormatter().format(record))
    assert text.splitlines()[1] == "Traceback (most recent call last):"
    assert text.endswith("ValueError: the cause")
    assert shown["exception"].endswith("ValueError: the cause")
    assert "exception" not in json.loads(JsonFormatter().format(a_record("done")))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/files/signed/{token}/photos/a", "/files/signed/…/photos/a"),
        ("Bearer {token}, {token}", "Bearer …, …"),
        ("eyJ is no token", "eyJ is no token"),
        ("eyJa.b", "eyJa.b"),
        ("Größe 🐈", "Größe 🐈"),
        ("a\0b\ud800", "a\\x00b\\ud800"),
    ],
)
def test_token_and_control_characters_are_not_shown(text: str, shown: str) -> None:
    assert loggable(text.replace("{token}", token())) == shown


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_percent_encoded_token_is_not_shown(rounds: int) -> None:
    secret = token()
    shown = "%65" + secret[1:].replace(".", "%2e", 1)
    for _ in range(rounds - 1):
        shown = shown.replace("%", "%25")
    assert loggable(f"/files/signed/{shown}/b/100%25") == "/files/signed/…/b/100%"
    assert loggable("100%25 %41") == "100%25 %41"


def test_record_has_the_id_of_its_request() -> None:
    record = logging.makeLogRecord({})
    with Flask(__name__).test_request_context():
        g.request_id = "id-2"
        assert RequestIdFilter().filter(record)
    assert vars(record)["request_id"] == "id-2"
    outside = logging.makeLogRecord({})
    RequestIdFilter().filter(outside)
    RequestIdFilter().filter(record)  # what it has stays
    assert (vars(outside)["request_id"], vars(record)["request_id"]) == ("-", "id-2")


@pytest.mark.parametrize(("form", "begins"), [("text", "20"), ("json", "{")])
@pytest.mark.parametrize(
    ("level", "shown"), [("INFO", ["ours", "gunicorn's"]), ("ERROR", []), ("WARNING", ["gunicorn's"])]
)
def test_level_is_that_of_our_loggers_and_gunicorns(
    form: str, begins: str, level: str, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = io.StringIO()
    configured = configuration(level, form)
    configured["handlers"]["stderr"]["stream"] = stderr
    configured["loggers"] = {f"copy.{name}": each for name, each in configured["loggers"].items()}
    del configured["root"]  # pytest's own handlers are there
    logging.config.dictConfig(configured)
    logging.getLogger("copy.storage_app.part").info("ours")
    logging.getLogger("copy.gunicorn.error").warning("gunicorn's")
    lines = stderr.getvalue().splitlines()
    assert [name for name in ("ours", "gunicorn's") if any(name in line for line in lines)] == shown
    assert all(line.startswith(begins) for line in lines)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_record_of_a_request_looks_like_any_other(formatter: logging.Formatter) -> None:
    fields = {"status": 201, "code": None, "path": "/é"}
    quick = Answered(logging.INFO, "id-1", fields)
    attributes = {"levelname": "INFO", "msg": "answered", "created": quick.created, "request_id": "id-1"}
    ordinary = logging.makeLogRecord({"name": "storage_app.access", **attributes, **fields})
    assert formatter.format(quick) == formatter.format(ordinary)
    assert logging.Formatter("%(levelname)s %(name)s:%(lineno)d %(message)s").format(quick) == (
        "INFO storage_app.access:0 answered"
    )
