"""The commands that change files: what they delete, and what they say about it."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.services import bulk
from tests.cli.test_reports import run
from tests.support.service import bearer


@pytest.fixture
def filled(app: Flask, client: FlaskClient) -> Flask:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for key in ("2026/a", "2026/b", "2026/c", "other"):
        client.put(f"/files/upload-direct/photos/{key}", data=key.encode(), headers=bearer())
    return app


def keys(app: Flask) -> list[str]:
    return [json.loads(line)["id"] for line in run(app, "ls", "photos", "--json").stdout.splitlines()]


def test_one_file_is_deleted(filled: Flask) -> None:
    result = run(filled, "rm", "photos", "2026/a")
    assert (result.exit_code, result.output) == (0, "")
    assert keys(filled) == ["2026/b", "2026/c", "other"]
    result = run(filled, "rm", "photos", "2026/a")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no file '2026/a' in bucket 'photos'.\n")


def test_prefix_is_deleted_whatever_its_number_of_rounds(filled: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BATCH", 1)
    result = run(filled, "rm", "-r", "photos", "2026/")
    assert (result.exit_code, result.stderr) == (0, "3 files deleted\n")
    assert keys(filled) == ["other"]
    assert run(filled, "rm", "-r", "photos", "2026/").stderr == "0 files deleted\n"


def test_files_that_cannot_be_deleted_are_named(filled: Flask) -> None:
    storage = filled.extensions["storage"]
    for path in storage.settings.storage_path.glob("photos/??/*.json"):
        if '"2026/b"' in path.read_text():
            path.write_text("{")
    result = run(filled, "rm", "-r", "photos", "2026/")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == ["2 files deleted", "not deleted: 2026/b (damaged_file)"]


def test_nothing_is_deleted_by_mistake(filled: Flask) -> None:
    for arguments in (["photos", ""], ["-r", "photos", ""], ["photos"], ["missing", "a"], ["-r", "missing", "a"]):
        assert run(filled, "rm", *arguments).exit_code != 0
    assert len(keys(filled)) == 4
