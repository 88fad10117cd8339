"""The service beside a dictionary: both are asked the same, and each answer is held against what the dictionary has."""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urljoin

import httpx

CURRENT, OTHER = "the ETag of what is there", '"of another"'


class Condition(NamedTuple):
    """A header of a write, and whether it holds for a file that is there, and for none."""

    header: str
    tag: str
    of_file: bool
    of_none: bool


@dataclass
class Held:
    """A file as the model has it."""

    content: bytes
    record: dict[str, Any]


class Comparison:
    """Buckets by letter, whose names on the service begin with a `prefix` of their own."""

    def __init__(self, http: httpx.Client, prefix: str) -> None:
        self.http = http
        self.prefix = prefix
        self.model: dict[str, dict[str, Held]] = {}
        self.done: Counter[str] = Counter()  # changes of files that were not refused

    # Buckets

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
            self.done["edit"] += 1

    def delete(self, letter: str, key: str, condition: Condition | None) -> None:
        response = self.http.delete(self.path("files", letter, key), headers=self.header(letter, key, condition))
        held = self.held(letter, key)
        assert response.status_code == (404 if held is None else 204 if holds(condition, held) else 412)
        if response.is_success:
            del self.model[letter][key]
            self.done["delete"] += 1

    def delete_many(self, letter: str, keys: list[str]) -> None:
        """Delete by keys, of which some may not be there."""
        self.deleted_many(letter, {"file_ids": keys}, set(keys))

    def delete_prefix(self, letter: str, prefix: str) -> None:
        files = {key for key in self.model.get(letter, {}) if key.startswith(prefix)}
        self.deleted_many(letter, {"prefix": prefix}, files)

    def deleted_many(self, letter: str, asked: dict[str, Any], counted: set[str]) -> None:
        response = self.http.post(f"/files/delete/{self.name(letter)}", json=asked)
        assert response.status_code == (200 if letter in self.model else 404)
        if letter in self.model:
            assert response.json() == {"deleted": len(counted), "failed": [], "complete": True}
            self.done["delete many"] += sum(self.model[letter].pop(key, None) is not None for key in counted)

    def archive(self, letter: str, prefix: str) -> None:
        """Compare a zip with the bytes of the files. Its names may be others."""
        files = {key: held for key, held in self.model.get(letter, {}).items() if key.startswith(prefix)}
        response = self.http.get(f"/files/archive/{self.name(letter)}", params={"prefix": prefix})
        assert response.status_code == (200 if files else 404)
        if files:
            with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
                contents = sorted(archive.read(name) for name in archive.namelist())
            assert contents == sorted(held.content for held in files.values())

    def copy(self, letter: str, key: str, to_letter: str, to: str, **fields: Any) -> None:
        held = self.held(letter, key)
        if self.taken_to("copy", (letter, key), (to_letter, to), held, **fields):
            self.done["copy"] += 1

    def move(self, letter: str, key: str, to_letter: str, to: str, **fields: Any) -> None:
        held = self.held(letter, key)
        if self.taken_to("move", (letter, key), (to_letter, to), held, **fields):
            del self.model[letter][key]
            self.done["move"] += 1

    def taken_to(
        self,
        route: str,
        source: tuple[str, str],
        target: tuple[str, str],
        held: Held | None,
        *,
        metadata: dict[str, Any] | None,
        overwrite: bool,
        condition: Condition | None,
    ) -> bool:
        """Copy or move the file `held` at its source, and return whether that was done."""
        response = self.http.post(
            f"/files/{route}",
            json={"source": self.place(*source), "destination": self.place(*target), "overwrite": overwrite}
            | ({} if metadata is None else {"metadata": metadata}),
            headers=self.header(*target, condition),
        )
        if source == target or held is None:
            assert response.status_code == (422 if source == target else 404)
            return False
        told = {name: held.record[name] for name in ("content_type", "metadata", "cache_control")}
        told |= {"filename": following(held.record["filename"], source[1], target[1])}
        told |= {} if metadata is None else {"metadata": metadata}
        since = held.record["created_at"] if route == "move" and source[0] == target[0] else None
        self.uploaded(response, *target, held.content, told, since=since, overwrite=overwrite, condition=condition)
        return response.is_success

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

    # Everything

    def lists_and_totals_are_the_same(self) -> None:
        buckets = self.http.get("/buckets", params={"limit": "1000"}).json()
        totals = {b["name"]: (b["file_count"], b["total_size"]) for b in buckets if b["name"].startswith(self.prefix)}
        assert totals == {self.name(letter): totals_of(files) for letter, files in self.model.items()}
        for letter, files in self.model.items():
            listed = self.http.get(f"/files/list/{self.name(letter)}").json()
            assert [without_links(record) for record in listed] == [files[key].record for key in sorted(files)]

    def download_and_delete_everything(self) -> None:
        for letter, files in list(self.model.items()):
            for key in files:
                self.download(letter, key)
            self.delete_bucket(letter, force=True)

    # Helpers

    def name(self, letter: str) -> str:
        return self.prefix + letter

    def path(self, route: str, letter: str, key: str) -> str:
        return f"/{route}/{self.name(letter)}/{quote(key)}"

    def place(self, letter: str, key: str) -> dict[str, str]:
        return {"bucket_id": self.name(letter), "file_id": key}

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
        since: str | None = None,
    ) -> None:
        """Hold the answer to an upload against the model, and the model to it. `since`: when a new key is created."""
        held = self.held(letter, key)
        assert response.status_code == self.status(letter, held, overwrite=overwrite, condition=condition)
        if not response.is_success:
            return
        self.recorded(shown(response), letter, key, content, told, since=since)
        self.done["upload" if held is None else "overwrite"] += 1

    def recorded(
        self, record: dict[str, Any], letter: str, key: str, content: bytes, told: dict[str, Any], *, since: str | None
    ) -> None:
        """Hold the record of a file that was just written against the model, and keep it."""
        held = self.held(letter, key)
        digest = hashlib.sha256(content).hexdigest()
        expected = {"kind": "file", "id": key, "size": len(content), "sha256": digest, "etag": f'"{digest}"'}
        names = {"bucket": self.name(letter), "bucket_id": self.name(letter), "owner_id": "alice"}
        times = {"created_at": record["created_at"], "updated_at": record["updated_at"]}
        created = since if held is None else held.record["created_at"]
        kept = {} if created is None else {"created_at": created}
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
            following = response.links.get("next", {}).get("url", "")
            url = following and urljoin(url, following)
        return found


def holds(condition: Condition | None, held: Held | None) -> bool:
    return condition is None or (condition.of_none if held is None else condition.of_file)


def following(filename: str, key: str, to: str) -> str:
    """The filename of a file with this `key` when it is copied to another."""
    if filename == key:
        return to
    return to.rpartition("/")[2] if filename == key.rpartition("/")[2] else filename


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
