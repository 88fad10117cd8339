"""Nothing that opens a file can be read in the log of the real service, which is gunicorn's log, too."""

import httpx

from tests.support.raw_http import send
from tests.support.service import RunningService, bearer, token


def test_log_shows_no_token(service: RunningService, bucket: str) -> None:
    httpx.put(f"{service.url}/files/upload-direct/{bucket}/a", content=b"abc", headers=bearer()).raise_for_status()
    wanted = {"bucket_id": bucket, "file_id": "a"}
    made = httpx.post(f"{service.url}/files/initiate-download", json=wanted, headers=bearer()).raise_for_status()
    path = service.path_of(made.json()["download_url"])
    changed = token()[:-4] + "AAAA"
    assert send(service, f"GET {path}").status == 200
    assert send(service, f"GET /files/download/{bucket}/a", [("Authorization", f"Bearer {changed}")]).status == 401
    assert f"/{bucket}/a" in service.log()
    assert path.split("/")[3] not in service.log()
    assert changed not in service.log()
