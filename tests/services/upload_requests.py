"""Requests to upload, and targets of them, for the rules to judge."""

from typing import Any

from storage_app.domain.files import File
from storage_app.domain.principals import Replace, UploadRight
from storage_app.domain.uploads import UploadRequest
from storage_app.services.upload_targets import Target
from tests.support.core import a_bucket, a_file

ALL = UploadRight("alice", True, Replace.ANY)
THERE = a_file("a.txt", size=60)


def a_request(key: str | None = "a.txt", **fields: Any) -> UploadRequest:
    return UploadRequest("photos", key=key, **{"overwrite": True} | fields)


def a_target(existing: File | None = None, *, right: UploadRight = ALL, **bucket: Any) -> Target:
    return Target(a_bucket(**bucket), right, existing)
