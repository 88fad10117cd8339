"""The commands for operators: what each prints, and that what cannot be done is one sentence and exit code 1.

`storage check` is tested beside what it looks for, in tests/maintenance/test_scan.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from storage_app.domain.principals import PrincipalKind
from storage_app.maintenance.recover import recover
from storage_app.node import Storage
from tests.support.postgres import PostgresServer
from tests.support.service import bearer


def run(app: Flask, *arguments: str) -> Result:
    """Run a command beside no service."""
    storage_of(app).stop()
    return app.test_cli_runner().invoke(args=["storage", *arguments])


def storage_of(app: Flask) -> Storage:
    storage: Storage = app.extensions["storage"]
    return storage


def fill(client: FlaskClient, **settings: object) -> None:
    client.post("/buckets", json={"name": "photos", **settings}, headers=bearer())
    for key in ("a.txt", "b.txt"):
        client.put(f"/files/upload-direct/photos/{key}", data=b"abc", headers=bearer())


@pytest.mark.parametrize(
    ("options", "kind"),
    [([], PrincipalKind.USER), (["--service"], PrincipalKind.SERVICE), (["--expires-in=60"], PrincipalKind.USER)],
)
def test_token_is_a_login(app: Flask, options: list[str], kind: PrincipalKind) -> None:
    done = run(app, "token", "--sub=bob", *options)
    assert (done.exit_code, done.stderr) == (0, "")
    principal = storage_of(app).logins.principal(authorization=f"Bearer {done.stdout.strip()}", api_key=None)
    assert (principal.kind, principal.sub) == (kind, "bob")


@pytest.mark.parametrize(
    "arguments",
    [
        ["token"],
        ["token", "--sub="],
        ["token", "--sub=" + "x" * 256],
        ["token", "--sub=bob", "--expires-in=soon"],
        ["token", "--sub=bob", "--expires-in=0"],
        ["token", "--sub=bob", "--expires-in=-5"],
        ["restore"],
    ],
)
def test_wrong_command_is_explained(app: Flask, arguments: list[str]) -> None:
    done = run(app, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_rebuild_says_how_many_files_there_are(app: Flask, client: FlaskClient) -> None:
    fill(client)
    done = run(app, "rebuild")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("The index was made from the sidecars: 2 files in ")
    assert [file["id"] for file in client.get("/files/list/photos", headers=bearer()).json or []] == ["a.txt", "b.txt"]


def test_recovery_of_a_whole_store_says_nothing(app: Flask, client: FlaskClient) -> None:
    fill(client)
    done = run(app, "recover")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize(
    ("environment", "settings", "is_warned"),
    [
        ({}, {"is_public": True}, True),
        ({}, {"is_public": True, "quota": 1000}, False),
        ({}, {}, False),
        ({"ANONYMOUS_UPLOADS": "false"}, {"is_public": True}, False),
        ({"ANON_KEY": ""}, {"is_public": True}, False),
    ],
)
def test_operator_is_warned_of_buckets_that_anyone_may_fill(
    make_app: Callable[..., Flask], environment: dict[str, str], settings: dict[str, object], is_warned: bool
) -> None:
    app = make_app(**environment)
    fill(app.test_client(), **settings)
    done = run(app, "recover")
    assert done.exit_code == 0
    assert ("Whoever has ANON_KEY may fill the disk. " in done.stderr) is is_warned


@pytest.mark.parametrize("command", ["recover", "rebuild"])
def test_directory_that_is_no_bucket_is_named(app: Flask, command: str) -> None:
    path = storage_of(app).settings.storage_path
    (path / "old-volume").mkdir()
    done = run(app, command)
    assert (done.exit_code, f"These in {path} are no buckets, so they are not served: old-volume. " in done.stderr) == (
        0,
        True,
    )


def test_record_that_is_damaged_is_named_and_left_out(app: Flask, client: FlaskClient) -> None:
    fill(client)
    sidecar = next((storage_of(app).settings.storage_path / "photos").glob("??/*.json"))
    sidecar.write_bytes(b"")
    done = run(app, "rebuild")
    assert (done.exit_code, "damaged, left out: " in done.stderr) == (0, True)
    assert sidecar.name in done.stderr
    assert len(client.get("/files/list/photos", headers=bearer()).json or []) == 1


@pytest.mark.parametrize("command", ["recover", "rebuild", "check"])
def test_store_that_cannot_be_used_is_one_sentence(app: Flask, tmp_path: Path, command: str) -> None:
    path = storage_of(app).settings.storage_path
    path.rename(tmp_path / "elsewhere")
    path.write_text("no folder")
    done = run(app, command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: STORAGE_PATH={path} ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["recover", "rebuild", "check"])
def test_bucket_that_is_a_link_is_named_in_one_sentence(
    app: Flask, client: FlaskClient, tmp_path: Path, command: str
) -> None:
    fill(client)
    path = storage_of(app).settings.storage_path
    (path / "photos").rename(tmp_path / "elsewhere")
    (path / "photos").symlink_to(tmp_path / "elsewhere")
    done = run(app, command)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "links to directories, which are not followed: photos." in done.stderr


@pytest.mark.parametrize(
    "command", ["recover", *(pytest.param(each, marks=pytest.mark.ci) for each in ("rebuild", "check"))]
)
def test_index_of_another_store_is_one_sentence(
    make_app: Callable[..., Flask], postgres: PostgresServer, tmp_path: Path, command: str
) -> None:
    url = postgres.database()
    recover(tmp_path / "other", durable=False, index_url=url)
    app = make_app(STORAGE_PATH=str(tmp_path / "fresh"))
    object.__setattr__(storage_of(app).settings, "index_url", url)
    done = run(app, command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The index at INDEX_URL was made for the store with the id ")
    assert len(done.stderr.splitlines()) == 1
    done = run(app, "rebuild", "--take-over")
    assert (done.exit_code, done.stderr.startswith("The index was made from the sidecars: 0 files")) == (0, True)
    assert run(app, command).exit_code == 0


def test_take_over_is_for_an_index_on_a_server(app: Flask) -> None:
    done = run(app, "rebuild", "--take-over")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "INDEX_URL" in done.stderr
