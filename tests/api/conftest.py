"""One application for all tests that change nothing: making a store takes longer than most of them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app import create_app
from storage_app.node import Storage
from storage_app.settings import load_settings
from tests.support.in_process import nothing_changes
from tests.support.service import ANON_KEY, BACKEND, SECRET_KEY, SERVICE_KEY, bearer


@pytest.fixture(scope="session")
def client_of_all(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[FlaskClient]:
    path = shutil.copytree(empty_store, tmp_path_factory.mktemp("unchanged") / "store")
    app = create_app(
        load_settings(
            {
                "SECRET_KEY": SECRET_KEY,
                "ANON_KEY": ANON_KEY,
                "STORAGE_PATH": str(path),
                "MIN_FREE_BYTES": "0",
                "DURABILITY": "none",
                "LOG_LEVEL": "ERROR",
            }
        )
    )
    client = app.test_client()
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    client.put("/files/upload-direct/photos/there.txt", data=b"there", headers=bearer())
    yield client
    storage: Storage = app.extensions["storage"]
    storage.stop()


@pytest.fixture
def unchanged(client_of_all: FlaskClient) -> Iterator[FlaskClient]:
    """A client of a service with Alice's bucket `photos`, which holds `there.txt`, and is the same after the test."""
    with nothing_changes(client_of_all):
        yield client_of_all


@pytest.fixture
def backend(make_app: Callable[..., Flask]) -> FlaskClient:
    """The backend of SelfDB 0.05, with a bucket of a user."""
    client = make_app(SERVICE_KEY=SERVICE_KEY).test_client()
    client.post("/api/v1/buckets", json={"name": "photos", "owner_id": "alice"}, headers=BACKEND)
    return client
