"""Stores to be maintained: one with everything in it, and one that is emptied after each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.buckets import Grant
from storage_app.maintenance.recover import mark_clean_stop
from tests.support.core import Core, open_core, shown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """The folder of a store with two files in one bucket, `good.txt` and `bad.txt`."""
    root = tmp_path / "store"
    with open_core(root) as core:
        core.bucket()
        core.put("good.txt", b"good")
        core.put("bad.txt", b"bad")
    return root


@pytest.fixture
def before(root: Path) -> Any:
    """A store with everything in it, stopped in order; this is what its index said."""
    with open_core(root) as core:
        core.bucket("photos", quota=10**6, is_public=True, allowed_content_types=("text/*",))
        core.bucket("empty", grants={"bob": Grant.MANAGE, "@authenticated": Grant.READ})
        for number in range(7):
            core.put(f"dir/{number}.txt", bytes(number))
        core.put("dir/1.txt", b"once more")
        core.collect()
        said = shown(core)
    mark_clean_stop(root)
    return said


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with open_core(tmp_path_factory.mktemp("core") / "store") as core:
        yield core


@pytest.fixture
def core(opened: Core) -> Iterator[Core]:
    opened.bucket()
    yield opened
    opened.empty()
