"""The commands that an operator runs first: what they print, as a table and as JSON."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from storage_app.host.layout import Layout
from storage_app.maintenance.identity import read_store_id
from storage_app.maintenance.recover import mark_clean_stop, recover
from storage_app.node import Storage
from storage_app.version import __version__
from tests.support.postgres import PostgresServer
from tests.support.service import SECRET_KEY, bearer


@pytest.fixture
def filled(app: Flask, client: FlaskClient) -> Flask:
    client.post("/buckets", json={"name": "photos", "is_public": True, "quota": 10_000_000}, headers=bearer())
    client.post("/buckets", json={"name": "empty"}, headers=bearer("bob"))
    for key, size in (("2026/a.txt", 5), ("2026/b.txt", 2048), ("other.txt", 1)):
        client.put(f"/files/upload-direct/photos/{key}", data=b"x" * size, headers=bearer())
    return app


def run(app: Flask, *arguments: str) -> Result:
    storage: Storage = app.extensions["storage"]
    storage.stop()
    return app.test_cli_runner().invoke(args=["storage", *arguments])


def objects(result: Result) -> list[dict[str, Any]]:
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def cells(result: Result) -> list[list[str]]:
    assert (result.exit_code, result.stderr) == (0, "")
    return [line.split() for line in result.stdout.splitlines()]


def test_version_is_printed(app: Flask) -> None:
    assert run(app, "--version").stdout == f"SelfDB storage {__version__}\n"


def test_buckets_are_listed_with_their_totals(filled: Flask) -> None:
    assert cells(run(filled, "buckets")) == [
        ["name", "owner", "public", "file", "count", "total", "size", "quota"],
        ["empty", "bob", "0", "0", "B"],
        ["photos", "alice", "yes", "3", "2.0", "KiB", "9.5", "MiB"],
    ]
    assert objects(run(filled, "buckets", "--json"))[1] == {
        "name": "photos",
        "owner_id": "alice",
        "is_public": True,
        "file_count": 3,
        "total_size": 2054,
        "quota": 10_000_000,
    }


def test_files_are_listed_by_prefix(filled: Flask) -> None:
    assert [row["id"] for row in objects(run(filled, "ls", "photos", "--json"))] == [
        "2026/a.txt",
        "2026/b.txt",
        "other.txt",
    ]
    listed = cells(run(filled, "ls", "photos", "2026/"))
    assert [line[-1] for line in listed] == ["id", "2026/a.txt", "2026/b.txt"]
    assert listed[1][:2] == ["5", "B"]


def test_table_of_many_files_has_every_file(filled: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage_app.cli.reports._PAGE", 2)
    assert len(cells(run(filled, "ls", "photos"))) == 1 + 3


def test_buckets_of_more_than_a_query_are_all_counted(
    filled: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage_app.cli.reports._BUCKETS", 2)
    client.post("/buckets", json={"name": "third"}, headers=bearer())
    assert [row["name"] for row in objects(run(filled, "buckets", "--json"))] == ["empty", "photos", "third"]
    assert objects(run(filled, "usage", "--json"))[0]["buckets"] == 3


def test_bucket_that_is_not_there_is_one_sentence(app: Flask) -> None:
    result = run(app, "ls", "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: There is no bucket 'nothing'")


@pytest.mark.parametrize("command", ["buckets", "usage", "ls photos"])
def test_index_of_another_store_is_named(
    make_app: Callable[..., Flask], tmp_path: Path, postgres: PostgresServer, command: str
) -> None:
    url = postgres.database()
    recover(tmp_path / "first", durable=False, index_url=url)
    result = run(make_app(INDEX_URL=url), *command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    for store in ("first", "store"):
        assert str(read_store_id(Layout(tmp_path / store))) in result.stderr
    assert "--take-over" in result.stderr


def test_usage_counts_everything(filled: Flask) -> None:
    (found,) = objects(run(filled, "usage", "--json"))
    assert (found["buckets"], found["files"], found["bytes"]) == (2, 3, 2054)
    assert 0 < found["free"] < found["disk"]
    assert cells(run(filled, "usage"))[1][:4] == ["2", "3", "2.0", "KiB"]


def test_usage_tells_the_room_that_uploads_leave(make_app: Callable[..., Flask]) -> None:
    app = make_app(MIN_FREE_BYTES="5MiB")
    app.test_client().get("/buckets", headers=bearer())  # which opens the store
    assert objects(run(app, "usage", "--json"))[0]["kept_free"] == 5 * 1024 * 1024
    assert "5.0 MiB" in run(app, "usage").stdout


def test_service_may_have_stopped_in_order(filled: Flask) -> None:
    """A look at the store then leaves it as if it had not been opened: a reboot is no reason to rebuild the index."""
    storage: Storage = filled.extensions["storage"]
    storage.stop()
    path = storage.settings.storage_path
    mark_clean_stop(path)
    before = Layout(path).last_start.read_text()
    assert len(objects(run(filled, "buckets", "--json"))) == 2
    assert Layout(path).last_start.read_text() == before


def test_store_that_was_never_started_is_not_made(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "mistyped"
    app.extensions["storage"] = Storage(dataclasses.replace(app.extensions["storage"].settings, storage_path=path))
    result = run(app, "buckets")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: STORAGE_PATH={path} holds no store: ")
    assert not path.exists()


def test_settings_are_printed_with_their_source_and_without_secrets(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("API_KEY", "k" * 32)
    result = run(app, "config", "--json")
    printed = {row["name"]: (row["value"], row["source"]) for row in objects(result)}
    assert printed["SECRET_KEY"] == ("(hidden)", "environment")
    assert printed["PORT"] == ("9001", "environment")
    assert printed["SERVICE_KEY"] == ("(hidden)", "environment, as API_KEY")
    assert printed["ALGORITHM"] == ("HS256", "default")
    assert printed["MAX_FILE_SIZE"] == (None, "default")
    assert SECRET_KEY not in result.stdout
    assert "PORT" in run(app, "config").stdout
