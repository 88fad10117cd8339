"""Each way in, with the real server: objects are stored, replaced, returned and deleted."""

import hashlib
from pathlib import Path

import pytest

from benchmarks.bars import SECTIONS
from benchmarks.targets import everybody, given, replaced

CONTENT = b"some bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ROWS = [row.way for section in SECTIONS.values() for row in section.rows]
WAYS = sorted({*ROWS, *(section.reference for section in SECTIONS.values() if section.reference)})


@pytest.mark.parametrize("way", WAYS)
def test_object_is_put_replaced_returned_and_deleted(ways, way: str) -> None:
    target, kept, deleted = ways[way], f"kept/{WAYS.index(way)}", f"deleted/{WAYS.index(way)}"
    for content in (b"replaced", CONTENT):
        target.ask(target.put(kept), content)
        target.ask(target.put(deleted), content)
    target.ask(target.delete(deleted))
    target.check(kept, SHA256)
    with pytest.raises(RuntimeError, match=rf"{way} answered (GET|POST) \S+ with 404"):
        target.check(deleted, SHA256)


@pytest.mark.parametrize("way", WAYS)
def test_other_bytes_are_noticed(ways, way: str) -> None:
    ways[way].ask(ways[way].put("other/bytes"), b"some bytez")
    with pytest.raises(RuntimeError, match=f"{way} returned other bytes for other/bytes than were put there"):
        ways[way].check("other/bytes", SHA256)


def test_servers_are_measured(ways) -> None:
    for target in ways.values():
        assert all(server.cpu_seconds() >= 0 and server.memory_mib() > 1 for server in target.servers), target.name


@pytest.mark.parametrize(("url", "path"), [("http://127.0.0.1:1", "/a/b"), ("http://127.0.0.1:1/c/d/", "/c/d/a/b")])
def test_peer_is_given_by_its_url(url: str, path: str) -> None:
    peer = given(f"one={url}")
    assert (peer.name, peer.host, peer.port, peer.put("a/b").path) == ("one", "127.0.0.1", 1, path)


@pytest.mark.parametrize("text", ["http://a", "a=b:1", "a=https://b", "=http://a", "a=http://b/c d", "a=http://b?c=d"])
def test_peer_that_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME=http://host:port/path"):
        given(text)


def test_name_of_a_peer_must_be_new(programs: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rclone is measured already"):
        everybody(tmp_path, [given("rclone=http://127.0.0.1:1")])


def test_configuration_that_has_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="'listen 8080' is not in nginx's configuration any more"):
        replaced("listen 80;", {"listen 8080": "listen 1"})
