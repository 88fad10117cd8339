"""docs/on-disk-format.md is enough: its own commands read a store that no service runs on, and nothing else does."""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.checkout import ROOT
from tests.support.service import RunningService, bearer

PAGE = (ROOT / "docs" / "on-disk-format.md").read_text()

# What the commands of the page may use: bash, jq, and what every Debian has.
TOOLS = ("bash", "jq", "find", "sha256sum", "cut", "cp", "tee")

# The bucket and the key that the page takes as its example.
EXAMPLE_BUCKET = "photos"
EXAMPLE_KEY = "2026/lake.jpg"

LARGE = 1_000_001

# In the bucket `photos`: what the shell, jq, `find` or a path could take for something else.
FILES: dict[str, bytes] = {
    EXAMPLE_KEY: b"a lake",
    "empty.txt": b"",
    "large-of-alice.bin": b"l" * LARGE,
    "ж/日本語/תמונה.png": b"scripts",
    "🏔️": b"a mountain",
    "a/b/c/d/e": b"slashes",
    'it\'s "quoted" $(exit 1) `exit 1` \\n\\.txt': b"quotes and backslashes",
    " spaces  around ": b"spaces",
    "line\u2028separator": b"no end of a line to a shell",
    "-n": b"an option",
    "--help": b"another option",
    "%s%n": b"a format",
    "*": b"a pattern",
    "record.json": b'{"blob": "no sidecar"}',
    "..hidden": b"dots",
    "k" * 1024: b"the longest",
}


# By bucket, the bytes of what is overwritten and deleted below.
UNNAMED = {"photos": [b"first", b"second"], "for-all.2": [b"removed"]}


def block(heading: str, introduced_by: str = "") -> str:
    """Return the commands that follow these words under a heading."""
    section = re.split(r"^## ", PAGE.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    following = section[section.index(introduced_by) :]
    found = re.search(r"^```sh\n(.*?)^```$", following, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no commands: {heading}"
    return found[1]


def adapted(commands: str, **changes: str) -> str:
    """Put something in the place of the page's examples, each of which must be there."""
    for example, change in changes.items():
        assert example in commands
        commands = commands.replace(example, change)
    return commands


START = PAGE.partition("```sh\n")[2].partition("```")[0]
HASH = block("## Names")
FILES_OF_A_BUCKET = block("## List", "Every file of a bucket:")
BUCKETS = block("## List", "Every bucket,")
ONE_KEY = block("## List", "The sidecar and the bytes of one key:")
LARGE_OF_ALICE = block("## List", "All files of one user")
UNNAMED_BLOBS = block("## List", "Blobs that no sidecar names:")
VERIFY = block("## Verify")


@dataclass
class Closed:
    """A store that no service runs on, and what the service said of it when it ran."""

    path: Path
    tools: Path
    buckets: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def read(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands of the page, with their tools and nothing else around them."""
        environment = {"PATH": str(self.tools), "STORAGE_PATH": str(self.path)}
        bash = [str(self.tools / "bash"), "--noprofile", "--norc", "-c", START + commands]
        return subprocess.run(bash, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)

    def rows(self, commands: str) -> list[list[str]]:
        """Run commands that print a table."""
        return [[unescaped(cell) for cell in line.split("\t")] for line in lines(self.read(commands))]


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was printed. By line feeds alone: a key may have other characters that Python ends a line at."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


def unescaped(cell: str) -> str:
    """Undo what jq's @tsv does to a backslash, the only character of a key that it changes."""
    return cell.replace("\\\\", "\\")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"this needs {name}: apt-get install {name}")
        (directory / name).symlink_to(program)
    return directory


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Closed:
    store = Closed(tmp_path_factory.mktemp("closed") / "store", tools)
    with RunningService(store.path) as service, httpx.Client(base_url=service.url, headers=bearer()) as alice:
        fill(alice)
        remember(store, alice)
    return store


@pytest.fixture
def copy(closed: Closed, tmp_path: Path) -> Closed:
    """A store to damage."""
    return Closed(shutil.copytree(closed.path, tmp_path / "store"), closed.tools)


def fill(alice: httpx.Client) -> None:
    for bucket in (
        {"name": EXAMPLE_BUCKET, "grants": {"bob": "write"}},
        {"name": "for-all.2", "is_public": True, "description": "a name with a hyphen and a dot"},
        {"name": "empty"},
        {"name": "deleted"},
        {"name": "made-again"},
    ):
        alice.post("/buckets", json=bucket).raise_for_status()
    for key, content in FILES.items():
        put(alice, EXAMPLE_BUCKET, key, content)
    put(alice, EXAMPLE_BUCKET, "large-of-bob.bin", b"b" * LARGE, **bearer("bob"))
    put(alice, "for-all.2", EXAMPLE_KEY, b"another lake")
    put(alice, "deleted", "a.txt", b"deleted with its bucket")
    put(alice, "made-again", "a.txt", b"of the first bucket")
    change(alice)


def change(alice: httpx.Client) -> None:
    """Leave behind what a store has that was in use."""
    for content in (b"first", b"second", b"third"):
        put(alice, EXAMPLE_BUCKET, "overwritten.txt", content)
    put(alice, EXAMPLE_BUCKET, "edited.txt", b"edited")
    edits = {"content_type": "text/html", "filename": "ж.html", "metadata": {"a": "\t"}}
    alice.put(f"/files/metadata/{EXAMPLE_BUCKET}/edited.txt", json=edits).raise_for_status()
    put(alice, "for-all.2", "removed.txt", b"removed")
    alice.delete("/files/for-all.2/removed.txt").raise_for_status()
    for name in ("deleted", "made-again"):
        alice.delete(f"/buckets/{name}", params={"force": "true"}).raise_for_status()
    alice.post("/buckets", json={"name": "made-again"}).raise_for_status()
    put(alice, "made-again", "b.txt", b"of the second bucket")


def put(client: httpx.Client, bucket: str, key: str, content: bytes, **headers: str) -> None:
    client.put(f"/files/upload-direct/{bucket}/{quote(key)}", content=content, headers=headers).raise_for_status()


def remember(store: Closed, alice: httpx.Client) -> None:
    store.buckets = alice.get("/buckets").raise_for_status().json()
    for bucket in store.buckets:
        store.files[bucket["name"]] = alice.get(f"/files/list/{bucket['name']}").raise_for_status().json()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_name_of_the_example_is_its_hash(closed: Closed) -> None:
    (name,) = lines(closed.read(HASH))
    drawn = PAGE.partition("## Layout\n")[2].split("```")[1]
    assert f"{name}.json" in drawn


def test_files_of_a_bucket_are_those_that_the_service_lists(closed: Closed) -> None:
    assert len(closed.files[EXAMPLE_BUCKET]) == len(FILES) + 3
    for bucket, files in closed.files.items():
        rows = closed.rows(adapted(FILES_OF_A_BUCKET, photos=bucket))
        on_disk = sorted((key, int(size), datetime.fromisoformat(at)) for size, at, key in rows)
        assert on_disk == sorted((f["id"], f["size"], datetime.fromisoformat(f["updated_at"])) for f in files)


def test_buckets_are_those_that_the_service_lists(closed: Closed) -> None:
    listed = [[each["name"], each["owner_id"], json.dumps(each["is_public"])] for each in closed.buckets]
    assert sorted(row[0] for row in listed) == ["empty", "for-all.2", "made-again", "photos"]
    assert sorted(closed.rows(BUCKETS)) == sorted(listed)


@pytest.mark.parametrize("key", FILES, ids=lambda key: ascii(key)[:40])
def test_sidecar_and_bytes_of_one_key_are_found(closed: Closed, tmp_path: Path, key: str) -> None:
    copied = tmp_path / "copied"
    printed = closed.read(adapted(ONE_KEY, **{f"'{EXAMPLE_KEY}'": shlex.quote(key), "/tmp/lake.jpg": str(copied)}))

    (file,) = (each for each in closed.files[EXAMPLE_BUCKET] if each["id"] == key)
    sidecar = json.loads("\n".join(lines(printed)))
    assert copied.read_bytes() == FILES[key]
    assert (sidecar["key"], sidecar["sha256"], sidecar["size"]) == (key, sha256(FILES[key]), len(FILES[key]))
    common = ("filename", "content_type", "owner_id", "metadata", "cache_control", "size", "sha256")
    assert {name: sidecar[name] for name in common} == {name: file[name] for name in common}


def test_large_files_of_one_user_are_found(closed: Closed) -> None:
    assert lines(closed.read(LARGE_OF_ALICE)) == ["large-of-alice.bin"]
    assert lines(closed.read(adapted(LARGE_OF_ALICE, alice="bob"))) == ["large-of-bob.bin"]


def test_blobs_that_no_sidecar_names_are_the_replaced_and_deleted_ones(closed: Closed) -> None:
    found = [Path(line) for line in lines(closed.read(UNNAMED_BLOBS))]
    contents = sorted((path.parts[0], (closed.path / path).read_bytes()) for path in found)
    assert contents == sorted((bucket, content) for bucket, left in UNNAMED.items() for content in left)


def test_whole_store_is_found_whole(closed: Closed) -> None:
    assert lines(closed.read(VERIFY)) == ["all files are whole"]


def sidecar_of(store: Closed, key: str) -> Path:
    name = sha256(key.encode())[:32]
    return store.path / EXAMPLE_BUCKET / name[:2] / f"{name}.json"


def blob_of(store: Closed, key: str) -> Path:
    sidecar = sidecar_of(store, key)
    return sidecar.with_name(json.loads(sidecar.read_text())["blob"])


def change_a_byte(store: Closed) -> Path:
    blob = blob_of(store, EXAMPLE_KEY)
    blob.write_bytes(b"A" + blob.read_bytes()[1:])
    return blob


def remove_a_blob(store: Closed) -> Path:
    blob = blob_of(store, EXAMPLE_KEY)
    blob.unlink()
    return blob


def cut_a_record(store: Closed) -> Path:
    sidecar = sidecar_of(store, EXAMPLE_KEY)
    sidecar.write_bytes(sidecar.read_bytes()[:100])
    return sidecar


def empty_a_record(store: Closed) -> Path:
    sidecar = sidecar_of(store, EXAMPLE_KEY)
    sidecar.write_bytes(b"")
    return sidecar


@pytest.mark.parametrize("damage", [change_a_byte, remove_a_blob, cut_a_record, empty_a_record])
def test_what_is_damaged_is_named(copy: Closed, damage: Callable[[Closed], Path]) -> None:
    damaged = damage(copy)
    checked = copy.read(VERIFY)
    assert checked.returncode != 0
    assert "all files are whole" not in checked.stdout
    assert str(damaged.relative_to(copy.path)) in checked.stdout + checked.stderr
