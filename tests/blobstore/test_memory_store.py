"""A store in memory passes the suite, so the port is no filesystem in disguise; and its words say so, too."""

import ast
import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import pytest

from storage_app.blobstore import DamagedRecord, Inventory, StagedBlob, StagedSidecar, base
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from tests.blobstore import memory_store
from tests.blobstore.memory_store import MemoryStore
from tests.blobstore.suite import BlobStoreSuite

PORTS = (Inventory, StagedBlob, StagedSidecar)
NOUNS = {Bucket, File, DamagedRecord, StagedBlob, StagedSidecar}
PLAIN = {str, bytes, int, bool, tuple, type(None), BinaryIO, Iterator, type, BaseException, TracebackType}
OF_A_FILESYSTEM = {
    *("rename", "move", "link", "unlink", "lock", "unlock", "locked", "path", "paths", "root", "mkdir", "rmdir"),
    *("dir", "dirs", "directory", "directories", "folder", "folders", "subdirectory", "inode", "fd", "mount"),
}


class TestMemoryStore(BlobStoreSuite):
    @pytest.fixture
    def empty_store(self) -> MemoryStore:
        return MemoryStore()

    def leftovers(self, store: MemoryStore) -> Iterable[object]:
        return store.leftovers()


class _FilesystemInDisguise(Protocol):
    def rename_blob(self, blob: str) -> None: ...

    def put(self, lock: str) -> None: ...

    def get(self, key: str) -> list[Path]: ...

    @property
    def directory(self) -> str: ...


def members(port: type) -> Iterator[tuple[str, Any]]:
    """The methods that a port asks for; a property counts as one."""
    for name, member in vars(port).items():
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function) and (not name.startswith("_") or name in ("__enter__", "__exit__")):
            yield name, function


def types_in(annotation: Any) -> Iterator[Any]:
    """Every type in an annotation, those in brackets included."""
    yield typing.get_origin(annotation) or annotation
    for argument in typing.get_args(annotation):
        yield from types_in(argument)


def words_of(port: type) -> set[str]:
    """The words in the names of a port's methods and their parameters."""
    names = [each for name, function in members(port) for each in (name, *inspect.signature(function).parameters)]
    return {word for name in names for word in re.findall(r"[a-z]+", name.lower())}


def types_of(port: type) -> set[Any]:
    """The types that a port's methods take and return, without those that only combine others."""
    found = {
        each
        for _, function in members(port)
        for annotation in typing.get_type_hints(function).values()
        for each in types_in(annotation)
    }
    return found - {typing.Self, *map(typing.get_origin, (str | None, typing.Union[str, None]))}  # noqa: UP007


@pytest.mark.parametrize("port", PORTS)
def test_port_names_no_rename_lock_or_directory(port: type) -> None:
    assert len(list(members(port))) >= 4
    assert words_of(port) & OF_A_FILESYSTEM == set()


@pytest.mark.parametrize("port", PORTS)
def test_port_takes_and_gives_nouns_of_ours_and_plain_values(port: type) -> None:
    assert types_of(port) - NOUNS - PLAIN == set()


def test_filesystem_in_disguise_would_be_found() -> None:
    assert words_of(_FilesystemInDisguise) & OF_A_FILESYSTEM == {"rename", "lock", "directory"}
    assert Path in types_of(_FilesystemInDisguise)


def imported(module: Any) -> set[str]:
    """The libraries that a module imports, by their first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("module", [base, memory_store])
def test_neither_the_port_nor_the_store_in_memory_has_a_filesystem_or_a_lock_at_hand(module: Any) -> None:
    assert imported(module) <= {"collections", "copy", "dataclasses", "io", "storage_app", "types", "typing"}
