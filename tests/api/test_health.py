"""The links of the service, and its readiness, which says no for whatever would refuse an upload."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.health import Readiness, Ready
from storage_app.host.layout import Layout
from storage_app.node import Storage
from tests.support.service import bearer


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ready, "readiness", Readiness())


def test_links_begin_with_the_public_url(client: FlaskClient) -> None:
    answer = client.get("/").json or {}
    assert answer["links"]["docs"] == "https://files.example/docs"


def test_ready_when_all_can_be_written(client: FlaskClient) -> None:
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_not_ready_when_notes_cannot_be_written(client: FlaskClient, app: Flask) -> None:
    storage: Storage = app.extensions["storage"]
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    intents = Layout(storage.settings.storage_path).intents
    intents.rmdir()
    intents.touch()

    ready = client.get("/health/ready")
    upload = client.put("/files/upload-direct/photos/a", data=b"abc", headers=bearer())

    assert (ready.status_code, upload.status_code) == (503, 503)
    assert ready.json is not None
    assert ready.json["detail"].startswith("The store cannot be written: ")
