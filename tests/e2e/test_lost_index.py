"""The index is a cache: without it, or with garbage in its place, a start brings everything back."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.service import ANON_KEY, RunningService, bearer


def fill(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": "private", "grants": {"bob": "read"}, "quota": 10_000}).raise_for_status()
        client.post("/buckets", json={"name": "public", "is_public": True, "description": "for all"}).raise_for_status()
        for key in ("a.txt", "b/c.txt", "ж/日本.txt", "a.txt"):
            client.put(f"/files/upload-direct/private/{key}", content=key.encode() * 7).raise_for_status()
        client.put("/files/upload-direct/public/p.txt", content=b"public").raise_for_status()
        client.put("/files/metadata/private/a.txt", json={"metadata": {"seen": True}}).raise_for_status()
        client.delete("/files/private/b/c.txt").raise_for_status()


def observe(service: RunningService) -> dict[str, Any]:
    """Everything a client can see: lists, totals, and what each principal may do."""
    principals = {
        "alice": bearer(),
        "bob": bearer("bob"),
        "carol": bearer("carol"),
        "anonymous": {"apikey": ANON_KEY},
        "nobody": {},
    }
    paths = (
        "/buckets",
        "/buckets/private",
        "/files/list/private",
        "/files/list/private?order=-created_at",
        "/files/list/public",
        "/files/info/private/a.txt",
        "/files/download/private/%D0%B6/%E6%97%A5%E6%9C%AC.txt",
        "/files/download/private/b/c.txt",
        "/storage/public/p.txt",
    )
    seen: dict[str, Any] = {}
    with httpx.Client(base_url=service.url) as client:
        for who, headers in principals.items():
            for path in paths:
                response = client.get(path, headers=headers)
                # The port is particular to a start, not to what is stored; so is a request's id.
                text = response.text.replace(service.url, "")
                seen[f"{who} {path}"] = (response.status_code, text if response.is_success else response.json()["code"])
    return seen


def remove(index: Path) -> None:
    for path in index.parent.glob("index.sqlite3*"):
        path.unlink()


def replace_by_garbage(index: Path) -> None:
    remove(index)
    index.write_bytes(b"this is no database " * 1000)


def truncate(index: Path) -> None:
    remove(index)
    index.write_bytes(b"")


@dataclass(frozen=True, slots=True)
class Observed:
    """A store that no service runs on any more, and what its clients saw."""

    path: Path
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    with RunningService(tmp_path_factory.mktemp("stopped") / "store") as service:
        fill(service)
        return Observed(service.storage_path, observe(service))


@pytest.mark.parametrize("lose", [remove, replace_by_garbage, truncate])
def test_start_rebuilds_the_index(
    stopped: Observed, tmp_path: Path, start_service: Callable[..., RunningService], lose: Callable[[Path], None]
) -> None:
    store = Path(shutil.copytree(stopped.path, tmp_path / "store"))
    lose(store / ".system" / "index.sqlite3")
    again = start_service(store)

    assert observe(again) == stopped.seen
    # And it goes on from there.
    httpx.put(f"{again.url}/files/upload-direct/private/new.txt", content=b"new", headers=bearer()).raise_for_status()
    assert httpx.get(f"{again.url}/buckets/private", headers=bearer()).json()["file_count"] == 3


def test_kill_and_restart_keeps_what_was_answered(start_service: Callable[..., RunningService]) -> None:
    service = start_service()
    fill(service)
    before = observe(service)

    service.kill()
    again = start_service(service.storage_path)

    assert observe(again) == before
    leftovers = [path for path in (again.storage_path / ".system" / "staging").rglob("*") if path.is_file()]
    assert leftovers == []
