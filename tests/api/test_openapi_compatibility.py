"""What a client was generated from still holds, or CHANGELOG.md says what does not.

`released_openapi.json` is the document of the last release, with the routes of SelfDB. A release replaces it.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from storage_app import create_app
from storage_app.node import Storage
from storage_app.settings import load_settings
from tests.support.breaking import breaking_changes
from tests.support.checkout import ROOT
from tests.support.service import SECRET_KEY

RELEASED = Path(__file__).with_name("released_openapi.json")

Document = dict[str, Any]


@pytest.fixture
def served(tmp_path: Path) -> Document:
    app = create_app(
        load_settings(
            {
                "SECRET_KEY": SECRET_KEY,
                "SERVICE_KEY": "a-service-key-for-tests-of-32-bytes",
                "STORAGE_PATH": str(tmp_path / "store"),
                "MIN_FREE_BYTES": "0",
                "DURABILITY": "none",
                "LOG_LEVEL": "ERROR",
            }
        )
    )
    client: FlaskClient = app.test_client()
    document: Document = client.get("/openapi.json").json or {}
    storage: Storage = app.extensions["storage"]
    storage.stop()
    return document


def test_changelog_names_every_breaking_change(served: Document) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    broken = breaking_changes(json.loads(RELEASED.read_text()), served)
    assert [change for change in broken if change not in changelog] == [], "quote each of these in CHANGELOG.md"


def remove(document: Document, *path: str) -> None:
    *parents, name = path
    for parent in parents:
        document = document[parent]
    del document[name]


def test_document_breaks_nothing_of_itself(served: Document) -> None:
    assert breaking_changes(served, served) == []


DOWNLOAD, BUCKETS = ("paths", "/files/download/{bucket_id}/{file_id}"), ("paths", "/buckets")
RECORD, NEW = ("components", "schemas", "FileRecord"), ("components", "schemas", "NewBucket")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda new: remove(new, *DOWNLOAD, "get"), "`downloadFile` is gone"),
        (lambda new: remove(new, *DOWNLOAD, "get", "responses", "206"), "`downloadFile` does not answer 206"),
        (lambda new: remove(new, *BUCKETS, "get", "parameters"), "`listBuckets` does not take `limit`"),
        (lambda new: remove(new, *RECORD, "properties", "size"), "`FileRecord.size` is gone"),
        (
            lambda new: new["components"]["schemas"]["FileRecord"]["required"].remove("size"),
            "`FileRecord.size` may be missing",
        ),
        (
            lambda new: new["components"]["schemas"]["NewBucket"]["required"].append("quota"),
            "`NewBucket.quota` is required",
        ),
        (
            lambda new: new["components"]["schemas"]["NewBucket"]["properties"]["name"].update(maxLength=9),
            "`NewBucket.name` has another maxLength",
        ),
        (
            lambda new: new["components"]["schemas"]["FileRecord"]["properties"]["size"].update(type="string"),
            "`FileRecord.size` has another type",
        ),
        (
            lambda new: new["components"]["schemas"]["Folder"]["properties"]["kind"].update(enum=["dir"]),
            "`Folder.kind` has another enum",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_breaking_change_is_found(served: Document, change: Callable[[Document], None], sentence: str) -> None:
    new = copy.deepcopy(served)
    change(new)
    assert sentence in breaking_changes(served, new)


def test_what_is_added_breaks_nothing(served: Document) -> None:
    new = copy.deepcopy(served)
    schemas = new["components"]["schemas"]
    schemas["FileRecord"]["properties"]["color"] = {"type": "string"}
    schemas["FileRecord"]["required"].append("color")
    schemas["NewBucket"]["properties"]["color"] = {"type": "string"}
    schemas["NewBucket"]["properties"]["name"].pop("pattern")
    assert breaking_changes(served, new) == []
