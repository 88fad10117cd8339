"""What a backend does with the client that openapi-python-client generates: use_client.py URL TOKEN BUCKET."""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

import httpx
from storage_client import AuthenticatedClient  # type: ignore[import-not-found]
from storage_client.api.buckets import create_bucket, delete_bucket  # type: ignore[import-not-found]
from storage_client.api.downloads import download_file  # type: ignore[import-not-found]
from storage_client.api.files import delete_file, get_file_record, list_files  # type: ignore[import-not-found]
from storage_client.api.signing import sign_download, sign_upload  # type: ignore[import-not-found]
from storage_client.api.uploads import upload_file, upload_form  # type: ignore[import-not-found]
from storage_client.models import (  # type: ignore[import-not-found]
    DeleteBucketForce,
    FileRecord,
    Folder,
    ListFilesDelimiter,
    NewBucket,
    NewDownload,
    NewUpload,
    UploadFormWithFile,
    UploadFormWithFileMetadata,
)
from storage_client.types import UNSET, File  # type: ignore[import-not-found]


def next_cursor(link: str | None) -> str | None:
    """Return the cursor of the next page, or None on the last one."""
    target = re.search(r'<\?([^>]*)>; rel="next"', link or "")
    return parse_qs(target[1])["cursor"][0] if target else None


def list_all(client: Any, bucket: str, **query: Any) -> Iterator[Any]:
    """Yield the entries of every page."""
    cursor: Any = UNSET
    while cursor is not None:
        page = list_files.sync_detailed(bucket, client=client, limit=1, cursor=cursor, **query)
        yield from page.parsed
        cursor = next_cursor(page.headers.get("Link"))


def main(url: str, token: str, bucket: str) -> None:
    client = AuthenticatedClient(base_url=url, token=token)
    assert create_bucket.sync(client=client, body=NewBucket(name=bucket)).name == bucket

    form = UploadFormWithFile(
        file=File(payload=BytesIO(b"by form"), file_name="form.txt"),
        file_id="2026/form.txt",
        metadata=UploadFormWithFileMetadata.from_dict({"album": "cats"}),
    )
    by_form = upload_form.sync(bucket, client=client, body=form)
    assert by_form.metadata.to_dict() == {"album": "cats"}
    by_body = upload_file.sync(bucket, "raw.bin", client=client, body=File(payload=BytesIO(b"raw bytes")))
    assert (by_body.id, by_body.size) == ("raw.bin", 9)

    assert [entry.id for entry in list_all(client, bucket)] == ["2026/form.txt", "raw.bin"]
    in_folders = list(list_all(client, bucket, delimiter=ListFilesDelimiter.VALUE_0))
    assert [type(entry) for entry in in_folders] == [Folder, FileRecord]
    assert download_file.sync(bucket, "raw.bin", client=client).payload.read() == b"raw bytes"

    link = sign_download.sync(client=client, body=NewDownload(bucket_id=bucket, file_id="raw.bin"))
    assert httpx.get(link.download_url).content == b"raw bytes"
    link = sign_upload.sync(client=client, body=NewUpload(bucket_id=bucket, filename="signed.txt"))
    assert httpx.put(link.upload_url, content=b"signed", headers=link.headers.to_dict()).status_code == 201

    assert delete_file.sync_detailed(bucket, "raw.bin", client=client).status_code == 204
    assert get_file_record.sync(bucket, "raw.bin", client=client).code == "file_not_found"
    assert delete_bucket.sync_detailed(bucket, client=client, force=DeleteBucketForce.TRUE).status_code == 204


if __name__ == "__main__":
    main(*sys.argv[1:])
