"""Schemathesis reads the OpenAPI document and tries to catch the service at doing something else.

`--ci`: twice as many examples; `--long`: many more. A finding says how to repeat it with curl; run it again with the
same seed.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.service import RunningService, bearer, token

SEED = 20_260_101
KEY = "2026/cat.jpg"
# Schemathesis is one of many users here: it can write to alice's buckets, but not change or delete them.
LOGIN = "schemathesis"

# Statuses that what is stored, or a condition sent along, decides: a document cannot promise to whom they come.
ACCEPTED = ["2xx", "3xx", 401, 403, 404, 409, 412, 413, 415, 416]
REFUSED = [400, 401, 403, 404, 405, 409, 411, 412, 413, 414, 415, 416, 422]

SENDS_BYTES = [
    "/files/archive/{bucket_id}",
    "/files/download/{bucket_id}/{file_id}",
    "/files/view/{bucket_id}/{file_id}",
    "/storage/{bucket_id}/{file_id}",
    "/files/signed/{token}/{bucket_id}/{file_id}",
]

CONFIGURATION = """
seed = {seed}
continue-on-failure = true

[generation]
max-examples = {examples}
database = "none"

[auth.openapi.bearer]
bearer = "{login}"

# Mostly something that is there, or most requests would end at "there is no bucket".
[dictionaries.buckets]
values = ["schemathesis-private", "schemathesis-public"]
[dictionaries.keys]
values = ["{key}", "a/b/c.txt"]
[dictionaries.tokens]
values = {tokens}
[parameters]
"path.bucket_id" = {{ dictionary = "buckets", probability = 0.8 }}
"path.file_id" = {{ dictionary = "keys", probability = 0.5 }}
"path.token" = {{ dictionary = "tokens", probability = 0.8 }}

[checks.positive_data_acceptance]
expected-statuses = {accepted}
[checks.negative_data_rejection]
expected-statuses = {refused}

# Along a sequence of requests, values from answers take the place of wrong ones, and the request is still taken for
# wrong; so is a form whose file part is of another type, which goes out as text. The other phases send wrong data.
[phases.stateful.generation]
mode = "positive"
[phases.stateful.checks.negative_data_rejection]
enabled = false

# The document says bytes, and the answer says of what type they are.
[[operations]]
include-path = {sends_bytes}
[operations.checks.content_type_conformance]
enabled = false

# A cursor is opaque: any text looks like one to the document, and few are.
[[operations]]
include-path = ["/buckets", "/files/list/{{bucket_id}}"]
include-method = "GET"
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted_or_422}

# A setting may be sent by either of two names, and not by both with different values.
[[operations]]
include-path = ["/buckets", "/buckets/{{bucket_id}}"]
include-method = ["POST", "PUT", "PATCH"]
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted_or_422}

# A file is not copied to its own place.
[[operations]]
include-path = ["/files/copy", "/files/move"]
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted_or_422}

# Files are named by keys or by a prefix, and a link is for a file or a prefix.
[[operations]]
include-path = ["/files/delete/{{bucket_id}}", "/files/initiate-download"]
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted_or_422}

# Any body is a file, but a multipart one must be a form.
[[operations]]
include-path = "/files/signed/{{token}}/{{bucket_id}}/{{file_id}}"
[operations.parameters]
"path.bucket_id" = "schemathesis-private"
"path.file_id" = "{key}"
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted_or_400}
"""


@pytest.fixture
def target(start_service: Callable[..., RunningService]) -> Iterator[RunningService]:
    service = start_service(MAX_FILE_SIZE="1MiB")
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        for name, is_public in (("schemathesis-private", False), ("schemathesis-public", True)):
            bucket = {"name": name, "is_public": is_public, "grants": {LOGIN: "write"}}
            client.post("/buckets", json=bucket).raise_for_status()
            client.put(f"/files/upload-direct/{name}/{KEY}", content=b"a cat").raise_for_status()
    yield service
    assert "Traceback" not in service.log()


def signed_tokens(service: RunningService) -> list[str]:
    bodies: dict[str, dict[str, object]] = {
        "initiate-upload": {"bucket_id": "schemathesis-private", "filename": KEY, "overwrite": True},
        "initiate-download": {"bucket_id": "schemathesis-private", "file_id": KEY},
    }
    links = [
        httpx.post(f"{service.url}/files/{route}", json=body, headers=bearer()).json() for route, body in bodies.items()
    ]
    return [link.get("upload_url", link.get("download_url")).split("/files/signed/")[1].split("/")[0] for link in links]


def test_document_and_service_agree(target: RunningService, tmp_path: Path, *, ci: bool, long: bool) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(
        CONFIGURATION.format(
            seed=SEED,
            examples=300 if long else 12 if ci else 6,
            login=token(LOGIN, expires_in=24 * 3600),
            key=KEY,
            tokens=signed_tokens(target),
            accepted=ACCEPTED,
            sends_bytes=SENDS_BYTES,
            accepted_or_400=[*ACCEPTED, 400],
            accepted_or_422=[*ACCEPTED, 422],
            refused=REFUSED,
        )
    )
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
            *("run", f"{target.url}/openapi.json", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    generated = re.search(r"^ +(\d+) generated", run.stdout, re.MULTILINE)
    assert generated, run.stdout
    assert int(generated[1]) > 1000
