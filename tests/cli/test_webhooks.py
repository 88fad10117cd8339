"""The commands for webhooks: what they list, send again and try."""

import json
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from storage_app.index import State
from storage_app.maintenance.recover import recover
from storage_app.node import Storage
from tests.cli.test_reports import run
from tests.support.receiver import Receiver
from tests.support.service import bearer


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
def reporting(make_app: Callable[..., Flask], receiver: Receiver) -> Flask:
    """An application that has changed something, and sends nothing by itself."""
    app = make_app(**receiver.settings)
    client = app.test_client()
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    client.put("/files/upload-direct/photos/a b", data=b"hello", headers=bearer())
    return app


def test_events_are_listed(reporting: Flask) -> None:
    lines = run(reporting, "webhooks", "list").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [
        ["due", "bucket.created", "photos"],
        ["due", "file.created", "photos", "a", "b"],
    ]
    listed = [json.loads(line) for line in run(reporting, "webhooks", "list", "--json").stdout.splitlines()]
    assert [(each["type"], each["file_id"], each["attempts"]) for each in listed] == [
        ("bucket.created", None, 0),
        ("file.created", "a b", 0),
    ]
    assert run(reporting, "webhooks", "list", "--state", "dead").stdout == ""


def settle(storage: Storage) -> None:
    """Give the first event up, and deliver the second."""
    recover(storage.settings.storage_path, durable=False)
    outbox = storage.services.outbox
    assert outbox is not None
    first, second = outbox.events([State.DUE], limit=10)
    outbox.failed(first, "it answered 500", again_at=None)
    outbox.delivered([second])
    storage.stop()


def test_events_are_sent_again(reporting: Flask) -> None:
    listed = [json.loads(line) for line in run(reporting, "webhooks", "list", "--json").stdout.splitlines()]
    settle(reporting.extensions["storage"])
    shown = run(reporting, "webhooks", "list").stdout
    assert "1 attempts: it answered 500" in shown
    result = run(reporting, "webhooks", "replay", "--dead")
    assert (result.exit_code, result.stderr) == (0, "1 to be sent again\n")
    result = run(reporting, "webhooks", "replay", listed[1]["id"])
    assert (result.exit_code, result.stderr) == (0, "1 to be sent again\n")
    assert run(reporting, "webhooks", "list", "--state", "due").stdout.count("\n") == 2
    result = run(reporting, "webhooks", "replay", "evt_unknown")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "Error: 1 of these ids are no events in the outbox.",
    )


@pytest.mark.parametrize("arguments", [(), ("evt_1", "--dead")])
def test_replay_of_nothing_or_of_both_is_refused(reporting: Flask, arguments: tuple[str, ...]) -> None:
    result = run(reporting, "webhooks", "replay", *arguments)
    assert result.exit_code == 2
    assert "Name either the ids of events, or --dead or --delivered." in result.stderr


def test_receiver_is_tried(reporting: Flask, receiver: Receiver) -> None:
    result = run(reporting, "webhooks", "test")
    assert (result.exit_code, result.stderr) == (0, f"{receiver.url} has taken the event.\n")
    assert receiver.types == ["storage.test"]
    receiver.answer = lambda _: 500
    result = run(reporting, "webhooks", "test")
    assert (result.exit_code, result.stderr) == (1, f"Error: {receiver.url} did not take the event: it answered 500.\n")


@pytest.mark.parametrize("arguments", [("list",), ("replay", "--dead"), ("test",)])
def test_without_a_receiver_there_are_none(app: Flask, arguments: tuple[str, ...]) -> None:
    result = run(app, "webhooks", *arguments)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: WEBHOOK_URL is not set, so there are no webhooks: set it and WEBHOOK_SECRET.\n",
    )
