"""The real service against a dictionary: whatever is asked in whatever order, both hold the same.

Restarts, kills, a lost index and a rebuild are steps like any other, and each is the last step of some examples.
`--long`: many more examples, new ones every time.
"""

import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.raw_http import left_behind
from tests.support.service import ROOT, RunningService, bearer, clean_environment, wait_briefly

# Each takes seconds, so few examples end with one, and few have one in their middle.
MOST_DISRUPTIONS, MOST_DISRUPTIONS_LONG = 1, 20
FILES_WORTH_A_DISRUPTION = 3  # in all buckets together
SECONDS_TO_PUT_RIGHT = 30

# Few, so that most requests meet what others have left.
KEYS = st.sampled_from(["a", "a/b", "a/b/c.txt", "a0", "ж/%41?.txt"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "ж", "none"])
LETTERS = st.sampled_from("ab")
# Drawn as pieces and how often they are repeated, so that a long one is short where Hypothesis shows it.
CONTENTS = st.tuples(st.binary(min_size=1, max_size=20), st.sampled_from([0, 1, 2, 20_000]))
METADATA = st.dictionaries(st.sampled_from(["album", "название"]), st.integers(0, 9) | st.none(), max_size=2)
CACHE_CONTROL = st.sampled_from(["no-cache", "max-age=60"])


class Condition(NamedTuple):
    """A header of a write, and whether it holds for a file that is there, and for none."""

    header: str
    tag: str
    of_file: bool
    of_none: bool


CURRENT, OTHER = "the ETag of what is there", '"of another"'
CONDITIONS = st.none() | st.sampled_from(
    [
        Condition("If-Match", CURRENT, of_file=True, of_none=False),
        Condition("If-Match", "*", of_file=True, of_none=False),
        Condition("If-Match", OTHER, of_file=False, of_none=False),
        Condition("If-None-Match", CURRENT, of_file=False, of_none=True),
        Condition("If-None-Match", "*", of_file=False, of_none=True),
        Condition("If-None-Match", OTHER, of_file=True, of_none=True),
    ]
)


OVERWRITE, FOLDERS, FORCE = st.booleans(), st.booleans(), st.booleans()
LIMITS = st.integers(1, 4)
# What can be asked, by the name of the method that asks it of the service and the model, and what it takes.
REQUESTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "put": {"key": KEYS, "content": CONTENTS, "overwrite": OVERWRITE, "condition": CONDITIONS},
    "upload_form": {
        "key": KEYS,
        "content": CONTENTS,
        "metadata": METADATA,
        "cache": CACHE_CONTROL,
        "overwrite": OVERWRITE,
    },
    "edit": {"key": KEYS, "metadata": METADATA, "cache": st.none() | CACHE_CONTROL, "condition": CONDITIONS},
    "delete": {"key": KEYS, "condition": CONDITIONS},
    "download": {"key": KEYS},
    "list_by_key": {"prefix": PREFIXES, "folders": FOLDERS, "limit": LIMITS},
    "list_by_creation": {"prefix": PREFIXES, "limit": LIMITS},
    "create_bucket": {},
    "delete_bucket": {"force": FORCE},
}
ANY_REQUEST = st.one_of([st.tuples(st.just(name), st.fixed_dictionaries(takes)) for name, takes in REQUESTS.items()])


@dataclass
class Held:
    """A file as the model has it."""

    content: bytes
    record: dict[str, Any]


class Service(RuleBasedStateMachine):
    """Buckets by letter; each example's have names of their own."""

    running: ClassVar[RunningService]
    http: ClassVar[httpx.Client]
    last: ClassVar[str]
    most: ClassVar[int]
    midway: ClassVar[int] = 0
    ended: ClassVar[int] = 0
    examples: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.number = next(self.examples)
        self.model: dict[str, dict[str, Held]] = {}

    # One rule for all requests: Hypothesis leaves out rules at random, and there are few examples.
    @rule(request=ANY_REQUEST, letter=LETTERS)
    def ask(self, request: tuple[str, dict[str, Any]], letter: str) -> None:
        name, arguments = request
        if "content" in arguments:
            piece, times = arguments["content"]
            arguments = arguments | {"content": piece * times}
        getattr(self, name)(letter, **arguments)

    # Buckets

    @initialize()
    def begin_with_files(self) -> None:
        self.create_bucket("a")
        for key in ("a", "a/b", "a0"):
            self.put("a", key, key.encode(), overwrite=False, condition=None)

    def create_bucket(self, letter: str) -> None:
        response = self.http.post("/buckets", json={"name": self.name(letter)})
        assert response.status_code == (409 if letter in self.model else 201)
        self.model.setdefault(letter, {})

    def delete_bucket(self, letter: str, force: bool) -> None:
        refused = 409 if self.model.get(letter) and not force else None
        response = self.http.delete(f"/buckets/{self.name(letter)}", params={"force": json.dumps(force)})
        assert response.status_code == (404 if letter not in self.model else refused or 204)
        if response.is_success:
            del self.model[letter]

    # Files

    def put(self, letter: str, key: str, content: bytes, overwrite: bool, condition: Condition | None) -> None:
        response = self.http.put(
            self.path("files/upload-direct", letter, key),
            params={"overwrite": json.dumps(overwrite)},
            content=content,
            headers={"Content-Type": "application/x-raw"} | self.header(letter, key, condition),
        )
        metadata: dict[str, Any] = {}
        told = {"filename": key, "content_type": "application/x-raw", "metadata": metadata, "cache_control": None}
        self.uploaded(response, letter, key, content, told, overwrite=overwrite, condition=condition)

    def upload_form(
        self, letter: str, key: str, content: bytes, metadata: dict[str, Any], cache: str, overwrite: bool
    ) -> None:
        fields = {"file_id": key, "metadata": json.dumps(metadata), "cache_control": cache}
        response = self.http.post(
            f"/files/upload/{self.name(letter)}",
            data=fields | {"overwrite": json.dumps(overwrite)},
            files={"file": ("form.bin", content, "application/x-form")},
        )
        told = {"filename": "form.bin", "content_type": "application/x-form", "metadata": metadata}
        self.uploaded(response, letter, key, content, told | {"cache_control": cache}, overwrite=overwrite)

    def edit(
        self, letter: str, key: str, metadata: dict[str, Any], cache: str | None, condition: Condition | None
    ) -> None:
        edited = {"metadata": metadata, "cache_control": cache}
        response = self.http.put(
            self.path("files/metadata", letter, key), json=edited, headers=self.header(letter, key, condition)
        )
        held = self.held(letter, key)
        assert response.status_code == (404 if held is None else 200 if holds(condition, held) else 412)
        if held is not None and response.is_success:
            held.record |= edited | {"updated_at": response.json()["updated_at"]}
            assert shown(response) == held.record

    def delete(self, letter: str, key: str, condition: Condition | None) -> None:
        response = self.http.delete(self.path("files", letter, key), headers=self.header(letter, key, condition))
        held = self.held(letter, key)
        assert response.status_code == (404 if held is None else 204 if holds(condition, held) else 412)
        if response.is_success:
            del self.model[letter][key]

    def download(self, letter: str, key: str) -> None:
        held = self.held(letter, key)
        content = self.http.get(self.path("files/download", letter, key))
        info = self.http.get(self.path("files/info", letter, key))
        assert (content.status_code, info.status_code) == ((404, 404) if held is None else (200, 200))
        assert held is None or (content.content, shown(info)) == (held.content, held.record)

    def list_by_key(self, letter: str, prefix: str, folders: bool, limit: int) -> None:
        query = {"prefix": prefix, "limit": str(limit)} | ({"delimiter": "/"} if folders else {})
        assert self.pages(letter, query) == entries(self.model.get(letter, {}), prefix, folders=folders)

    def list_by_creation(self, letter: str, prefix: str, limit: int) -> None:
        found = self.pages(letter, {"prefix": prefix, "limit": str(limit), "order": "-created_at"})
        files = [(f.record["created_at"], key) for key, f in self.model.get(letter, {}).items()]
        assert found == [key for _, key in sorted(files, reverse=True) if key.startswith(prefix)]

    @precondition(lambda self: self.midway < self.most)
    @rule(name=st.deferred(lambda: st.sampled_from(sorted(DISRUPTIONS))), letter=LETTERS, key=KEYS)
    def disrupt(self, name: str, letter: str, key: str) -> None:
        """Do one of the disruptions; a kill, while an upload to the key is on its way where there is such a bucket."""
        type(self).midway += 1
        self.take(name, letter, key)

    def take(self, name: str, letter: str, key: str) -> None:
        upload = begin_upload(self.running, self.path("files/upload-direct", letter, key))
        with upload if name.startswith("kill") and letter in self.model else nullcontext():
            DISRUPTIONS[name](self.running)

    # What must hold

    @invariant()
    def lists_and_totals_are_the_same(self) -> None:
        buckets = self.http.get("/buckets", params={"limit": "1000"}).json()
        totals = {b["name"]: (b["file_count"], b["total_size"]) for b in buckets if b["name"].startswith(self.prefix())}
        assert totals == {self.name(letter): totals_of(files) for letter, files in self.model.items()}
        for letter, files in self.model.items():
            listed = self.http.get(f"/files/list/{self.name(letter)}").json()
            assert [without_links(record) for record in listed] == [files[key].record for key in sorted(files)]

    def teardown(self) -> None:
        """Where it has files enough, disrupt it; then every file is there with its bytes, nothing unfinished is."""
        if self.ended < self.most and sum(map(len, self.model.values())) >= FILES_WORTH_A_DISRUPTION:
            type(self).ended += 1
            self.take(self.last, "a", "a")
            self.lists_and_totals_are_the_same()
        for letter, files in list(self.model.items()):
            for key in files:
                self.download(letter, key)
            self.delete_bucket(letter, force=True)
        wait_until(lambda: leftovers(self.running) == [])

    # Helpers

    def prefix(self) -> str:
        return f"example-{self.number}-"

    def name(self, letter: str) -> str:
        return self.prefix() + letter

    def path(self, route: str, letter: str, key: str) -> str:
        return f"/{route}/{self.name(letter)}/{quote(key)}"

    def held(self, letter: str, key: str) -> Held | None:
        return self.model.get(letter, {}).get(key)

    def header(self, letter: str, key: str, condition: Condition | None) -> dict[str, str]:
        if condition is None:
            return {}
        held = self.held(letter, key)
        current = OTHER if held is None else held.record["etag"]
        return {condition.header: current if condition.tag == CURRENT else condition.tag}

    def uploaded(
        self,
        response: httpx.Response,
        letter: str,
        key: str,
        content: bytes,
        told: dict[str, Any],
        *,
        overwrite: bool,
        condition: Condition | None = None,
    ) -> None:
        """Hold the answer to an upload against the model, and the model to it."""
        held = self.held(letter, key)
        assert response.status_code == self.status(letter, held, overwrite=overwrite, condition=condition)
        if not response.is_success:
            return
        record = shown(response)
        digest = hashlib.sha256(content).hexdigest()
        expected = {"kind": "file", "id": key, "size": len(content), "sha256": digest, "etag": f'"{digest}"'}
        names = {"bucket": self.name(letter), "bucket_id": self.name(letter), "owner_id": "alice"}
        times = {"created_at": record["created_at"], "updated_at": record["updated_at"]}
        kept = {} if held is None else {"created_at": held.record["created_at"]}
        assert record == expected | names | times | told | kept
        self.model[letter][key] = Held(content, record)

    def status(self, letter: str, held: Held | None, *, overwrite: bool, condition: Condition | None) -> int:
        if letter not in self.model:
            return 404
        if not holds(condition, held):
            return 412
        if held is not None and not overwrite:
            return 409
        return 201 if held is None else 200

    def pages(self, letter: str, query: dict[str, str]) -> list[str]:
        """Follow the list to its end; it has nothing where there is no bucket."""
        found: list[str] = []
        url = f"/files/list/{self.name(letter)}?{urlencode(query)}"
        while url:
            response = self.http.get(url)
            assert response.status_code == (200 if letter in self.model else 404)
            if letter in self.model:
                assert 0 < len(response.json()) <= int(query["limit"]) or found == response.json() == []
                found += [entry["id"] for entry in response.json()]
            url = response.links.get("next", {}).get("url", "")
        return found


def holds(condition: Condition | None, held: Held | None) -> bool:
    return condition is None or (condition.of_none if held is None else condition.of_file)


def shown(response: httpx.Response) -> dict[str, Any]:
    return without_links(response.json())


def without_links(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not name.endswith("url")}


def totals_of(files: dict[str, Held]) -> tuple[int, int]:
    return len(files), sum(len(held.content) for held in files.values())


def entries(files: Iterable[str], prefix: str, *, folders: bool) -> list[str]:
    """The keys in order, or what of them a list with folders shows."""
    keys = [key for key in sorted(files) if key.startswith(prefix)]
    if not folders:
        return keys
    ends = [key.find("/", len(prefix)) for key in keys]
    return list(dict.fromkeys(key[: end + 1] if end >= 0 else key for key, end in zip(keys, ends, strict=True)))


# Disruptions


def restart(running: RunningService) -> None:
    running.stop()
    running.start()


def kill_all(running: RunningService) -> None:
    running.kill()
    running.start()


def kill_one(running: RunningService) -> None:
    """Kill a worker: the one that is taking bytes in, if one is."""
    pids = running.worker_pids()
    victim = next((pid for pid in pids if takes_bytes_in(running, pid)), pids[0])
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in running.worker_pids())


def lose_the_index(running: RunningService) -> None:
    running.stop()
    for path in (running.storage_path / ".system").glob("index.sqlite3*"):
        path.unlink()
    running.start()


def rebuild(running: RunningService) -> None:
    running.stop()
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "storage", "rebuild"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(running.environment), capture_output=True, check=True)
    running.start()


DISRUPTIONS: dict[str, Callable[[RunningService], None]] = {
    function.__name__: function for function in (restart, kill_all, kill_one, lose_the_index, rebuild)
}


@contextmanager
def begin_upload(running: RunningService, path: str) -> Iterator[None]:
    """Send half a file; the rest never comes."""
    head = [f"PUT {path} HTTP/1.1", "Host: localhost", "Content-Length: 200000"]
    head += [f"{name}: {value}" for name, value in bearer().items()]
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + b"z" * 100_000)
        wait_until(lambda: any(takes_bytes_in(running, pid) for pid in running.worker_pids()))
        yield


def takes_bytes_in(running: RunningService, pid: int) -> bool:
    """Whether the process has a staged file open."""
    staging = running.storage_path / ".system" / "staging"
    with suppress(FileNotFoundError):  # of a process, or a file of it, that has gone meanwhile
        return any(path.readlink().is_relative_to(staging) for path in Path(f"/proc/{pid}/fd").iterdir())
    return False


def leftovers(running: RunningService) -> list[str]:
    try:
        return left_behind(running)
    except FileNotFoundError:
        return ["a directory that is being removed"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_PUT_RIGHT
    while not condition():
        assert time.monotonic() < deadline, condition
        wait_briefly()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    service = RunningService(tmp_path_factory.mktemp("machine") / "store")
    with service:
        yield service
        assert "Traceback" not in service.log()


@pytest.mark.parametrize("last", DISRUPTIONS)
def test_service_and_dictionary_hold_the_same(running: RunningService, last: str, long: bool) -> None:
    # Nothing is tried again in a smaller form: that would take minutes, on a store that is no longer the same.
    chosen = settings(
        max_examples=200 if long else 6,
        stateful_step_count=40 if long else 25,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    most = MOST_DISRUPTIONS_LONG if long else MOST_DISRUPTIONS
    with httpx.Client(base_url=running.url, headers=bearer(), timeout=30) as http:
        machine: type[Service] = type(
            "Machine", (Service,), {"running": running, "http": http, "last": last, "most": most}
        )
        run_state_machine_as_test(machine if long else seed(list(DISRUPTIONS).index(last))(machine), settings=chosen)
    assert machine.ended == most
