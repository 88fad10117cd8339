"""Clients who change files and keep account of what each key may hold, when some of their requests get no answer."""

import hashlib
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

# A bucket's name, and its quota: the second one has no room for all that is sent to it.
BUCKETS = {"roomy": None, "tight": 1_000_000}
KEYS_EACH = 3
LARGEST = 300_000


@dataclass(frozen=True)
class Version:
    """A file that a key may hold; None stands for no file."""

    size: int
    sha256: str
    metadata: dict[str, Any]


Content = Version | None


@dataclass
class Key:
    """A key of one client, and everything that it may hold now."""

    bucket: str
    name: str
    possible: list[Content] = field(default_factory=lambda: [None])


@dataclass(frozen=True)
class Change:
    """A request, and what it makes of what is there. `wants`: only of a file, or only of none."""

    key: Key
    method: str
    path: str
    arguments: dict[str, Any]
    then: Callable[[Content], Content]
    wants: bool | None = None

    def outcomes(self) -> list[Content]:
        """What the key holds when this has been done, for everything that it may hold before."""
        return [self.then(held) for held in self.key.possible if self.wants in (None, held is not None)]

    def judge(self, response: httpx.Response) -> bool:
        """Hold the answer against what may be there; returns whether it says what happened."""
        if response.status_code == 503:
            self.unanswered()
            return False
        if response.is_success:
            self._done(response)
        elif response.status_code == 413:
            assert (self.key.bucket, response.json()["code"]) == ("tight", "quota_exceeded"), self
        else:
            # It is refused for what is there, or is not.
            assert response.status_code == (404 if self.wants else 412), (self, response.text)
            assert len(self.outcomes()) < len(self.key.possible), (self, response.text)
        return True

    def unanswered(self) -> None:
        self.key.possible += [held for held in self.outcomes() if held not in self.key.possible]

    def _done(self, response: httpx.Response) -> None:
        said = version_of(response.json()) if response.content else None
        assert said in self.outcomes(), (self, response.status_code, response.text)
        self.key.possible = [said]


def version_of(record: dict[str, Any]) -> Version:
    return Version(record["size"], record["sha256"], record["metadata"])


class Client:
    """One who changes keys that are nobody else's, one request at a time."""

    def __init__(self, number: int, seed: str, http: httpx.Client) -> None:
        self.random = random.Random(seed)
        self.http = http
        self.keys = [Key(bucket, f"{bucket}/{number}/{turn}.bin") for bucket in BUCKETS for turn in range(KEYS_EACH)]
        self.counts: Counter[str] = Counter()
        self.turn = 0

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            self.turn += 1
            self._request(self._change(over))

    def _request(self, change: Change) -> None:
        try:
            answered = change.judge(self.http.request(change.method, change.path, **change.arguments))
        except httpx.ConnectError:
            return  # nobody heard it
        except httpx.TransportError:
            change.unanswered()
            answered = False
        self.counts["answered" if answered else "unanswered"] += 1

    def _change(self, over: threading.Event) -> Change:
        kinds = (self._raw, self._slow, self._form, self._edit, self._delete)
        (make,) = self.random.choices(kinds, weights=(4, 2, 3, 3, 2))
        return make(self.random.choice(self.keys), over)

    def _raw(self, key: Key, _: threading.Event) -> Change:
        data = self._bytes()
        return self._put(key, data, data, {})

    def _slow(self, key: Key, over: threading.Event) -> Change:
        """Make a PUT whose body comes in pieces: with a length that was declared, or without."""
        data = self._bytes()
        declared = {"Content-Length": str(len(data))} if self.random.random() < 0.5 else {}
        return self._put(key, data, pieces(data, over), declared)

    def _put(self, key: Key, data: bytes, content: bytes | Iterator[bytes], headers: dict[str, str]) -> Change:
        only_new = self.random.random() < 0.25
        condition = {"If-None-Match": "*"} if only_new else {}
        version = Version(len(data), hashlib.sha256(data).hexdigest(), {})
        path = f"/files/upload-direct/{key.bucket}/{key.name}"
        sent = {"content": content, "headers": headers | condition}
        return Change(key, "PUT", path, sent, then=lambda _: version, wants=False if only_new else None)

    def _form(self, key: Key, _: threading.Event) -> Change:
        data = self._bytes()
        version = Version(len(data), hashlib.sha256(data).hexdigest(), {"sent": self.turn})
        fields = {"file_id": key.name, "metadata": json.dumps(version.metadata), "overwrite": "true"}
        sent = {"data": fields, "files": {"file": ("a.bin", data)}}
        return Change(key, "POST", f"/files/upload/{key.bucket}", sent, then=lambda _: version)

    def _edit(self, key: Key, _: threading.Event) -> Change:
        edited = {"edited": self.turn}
        path = f"/files/metadata/{key.bucket}/{key.name}"
        return Change(
            key,
            "PUT",
            path,
            {"json": {"metadata": edited}},
            then=lambda held: held and replace(held, metadata=edited),
            wants=True,
        )

    def _delete(self, key: Key, _: threading.Event) -> Change:
        return Change(key, "DELETE", f"/files/{key.bucket}/{key.name}", {}, then=lambda _: None, wants=True)

    def _bytes(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, self.random.randrange(5_000), LARGEST // 3, LARGEST)))


def pieces(data: bytes, over: threading.Event) -> Iterator[bytes]:
    for start in range(0, len(data), 30_000):
        over.wait(0.005)  # so that a kill finds bodies on their way
        yield data[start : start + 30_000]
