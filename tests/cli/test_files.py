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


def test_file_is_copied_and_moved(filled: Flask) -> None:
    assert run(filled, "cp", "photos", "2026/a", "photos", "copied").exit_code == 0
    assert run(filled, "mv", "photos", "2026/b", "photos", "moved").exit_code == 0
    assert keys(filled) == ["2026/a", "2026/c", "copied", "moved", "other"]
    result = run(filled, "cp", "photos", "2026/a", "photos", "moved")
    assert (result.exit_code, "overwrite=true" in result.stderr) == (1, True)
    assert run(filled, "cp", "--overwrite", "photos", "2026/a", "photos", "moved").exit_code == 0


@pytest.mark.parametrize(("command", "done"), [("cp", "copied"), ("mv", "moved")])
def test_folder_is_taken_whatever_its_number_of_rounds(
    filled: Flask, command: str, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_FAILED", 2)
    client = filled.test_client()
    client.put("/files/upload-direct/photos/new/b", data=b"in the way", headers=bearer())
    result = run(filled, command, "-r", "photos", "2026/", "photos", "new/")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == [f"2 files {done}", f"not {done}: 2026/b (file_exists)"]
    result = run(filled, command, "-r", "--overwrite", "photos", "2026/", "photos", "new/")
    assert (result.exit_code, result.stderr) == (0, f"{'3 files' if command == 'cp' else '1 file'} {done}\n")
    left = ["2026/a", "2026/b", "2026/c"] if command == "cp" else []
    assert keys(filled) == [*left, "new/a", "new/b", "new/c", "other"]


def test_folder_is_not_taken_into_itself(filled: Flask) -> None:
    for command in ("cp", "mv"):
        assert run(filled, command, "-r", "photos", "2026/", "photos", "2026/a/").exit_code == 2
    assert len(keys(filled)) == 4
