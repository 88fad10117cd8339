"""The audit log of several workers behind nginx: a line for each request, whoever carries the bytes."""

import json
from collections import Counter
from pathlib import Path

import httpx

from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.service import RunningService, bearer


def test_each_request_has_one_line(tmp_path: Path) -> None:
    audited = {"AUDIT_LOG": str(tmp_path / "audit.log"), "AUDIT_READS": "true"}
    public = {"name": "photos", "is_public": True, "cache_control": "max-age=3600"}
    with (
        RunningService(tmp_path / "store", **OFFLOAD, **audited) as service,
        NginxGateway(service, tmp_path / "nginx") as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        client.post("/buckets", json=public, headers=bearer()).raise_for_status()
        for number in range(20):
            path = f"/files/upload-direct/photos/{number}"
            client.put(path, content=b"hello", headers=bearer()).raise_for_status()
        for _ in range(10):
            assert client.get("/storage/photos/1").status_code == 200
        assert client.put("/files/upload-direct/none/a", content=b"hello", headers=bearer()).status_code == 404
        assert service.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert Counter((line["method"], line.get("change"), line["outcome"]) for line in lines) == {
        ("POST", "bucket.created", "done"): 1,
        ("PUT", "file.created", "done"): 20,
        ("GET", None, "done"): 10,
        ("PUT", None, "bucket_not_found"): 1,
    }
