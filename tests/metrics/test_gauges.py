"""The state of the store, as it is at the scrape."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import generate_latest

from storage_app.domain.intents import Intent, IntentKind
from storage_app.metrics import gauges
from storage_app.node import Services, Storage
from storage_app.settings import Settings
from tests.support.metrics import Samples, parse
from tests.support.receiver import SECRET
from tests.support.service import bearer
from tests.support.tus import Tus


class _Of:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def collect(self) -> object:
        return gauges.gauges_of(self._storage)


def asked(storage: Storage) -> Samples:
    return parse(generate_latest(_Of(storage)).decode())  # type: ignore[arg-type]


def fill(client: FlaskClient, bucket: str, *sizes: int) -> None:
    client.post("/buckets", json={"name": bucket}, headers=bearer())
    for number, size in enumerate(sizes):
        assert (
            client.put(f"/files/upload-direct/{bucket}/{number}", data=b"x" * size, headers=bearer()).status_code == 201
        )


def test_largest_buckets_are_told_apart_and_the_others_are_one(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "LARGEST_BUCKETS", 2)
    for bucket, sizes in {"first": (50, 50), "second": (10,), "third": (3, 3), "fourth": (1,)}.items():
        fill(client, bucket, *sizes)

    found = asked(app.extensions["storage"])
    assert {name: value for name, value in found.items() if name.startswith("bucket")} == {
        "buckets": 4,
        'bucket_files{bucket="first"}': 2,
        'bucket_files{bucket="second"}': 1,
        'bucket_files{bucket="_others"}': 3,
        'bucket_bytes{bucket="first"}': 100,
        'bucket_bytes{bucket="second"}': 10,
        'bucket_bytes{bucket="_others"}': 7,
    }


def test_empty_store_has_no_buckets_and_no_work(app: Flask) -> None:
    found = asked(app.extensions["storage"])
    assert [found[name] for name in ("up", "buckets", "intents_open", "pending_deletions")] == [1, 0, 0, 0]
    assert found['bucket_files{bucket="_others"}'] == 0
    assert found["free_bytes"] > 0


def test_open_resumable_uploads_are_counted(app: Flask, client: FlaskClient) -> None:
    fill(client, "photos")
    tus = Tus(client)
    tus.created(11, b"hello")
    tus.created(11, b"hello world")
    found = asked(app.extensions["storage"])
    assert (found["resumable_uploads_open"], found["resumable_unsent_bytes"]) == (1, 6)


def test_open_intents_of_both_logs_and_pending_deletions_are_counted(
    app: Flask, client: FlaskClient, services: Services
) -> None:
    fill(client, "photos", 1, 2)
    client.delete("/files/photos/0", headers=bearer())
    in_file = Intent("a", IntentKind.WRITE, "b", "k")
    in_table = Intent("c", IntentKind.DELETE, "b", "l")
    for intent in (in_file, in_table):
        services.logs.record(intent, None)

    found = asked(app.extensions["storage"])
    assert (found["intents_open"], found["pending_deletions"]) == (2, 1)
    for intent in (in_file, in_table):
        services.logs.of(intent).clear(intent)
        services.logs.release(intent)
    assert asked(app.extensions["storage"])["intents_open"] == 0


def test_store_that_cannot_be_asked_is_not_up(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    found = asked(Storage(make_settings(STORAGE_PATH=str(tmp_path / "unrecovered"))))
    assert found["up"] == 0
    assert [name for name in found if not name.startswith("build_info")] == ["up"]


def test_outbox_is_counted_if_there_is_one(make_app: Callable[..., Flask]) -> None:
    app = make_app(WEBHOOK_URL="http://127.0.0.1:9", WEBHOOK_SECRET=SECRET)
    fill(app.test_client(), "photos", 1)
    found = asked(app.extensions["storage"])
    assert {name: value for name, value in found.items() if name.startswith("webhook_events")} == {
        'webhook_events{state="due"}': 2,
        'webhook_events{state="delivered"}': 0,
        'webhook_events{state="dead"}': 0,
    }
    assert 0 < found["webhook_oldest_seconds"] < 60
