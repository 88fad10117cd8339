"""Rebuilds: the index says what the sidecars say, whatever is damaged, and whoever uses it meanwhile."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage_app.index import Index
from storage_app.maintenance import rebuild
from storage_app.maintenance.recover import recover
from tests.support.core import ALICE, Core, open_core, shown


def test_rebuild_can_be_asked_for(root: Path, before: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "_BATCH", 2)
    shown_progress: list[tuple[int, int]] = []

    def show(files: int, total: int) -> None:
        shown_progress.append((files, total))

    assert recover(root, durable=False, rebuild_anyway=True, progress=show).files == 7
    assert shown_progress == [(2, 7), (4, 7), (6, 7), (7, 7)]
    with open_core(root) as core:
        assert shown(core) == before


def test_interrupted_rebuild_begins_again(root: Path, before: Any) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover(root, durable=False, rebuild_anyway=True, progress=interrupt)
    index = Index(root / ".system" / "index.sqlite3")
    assert not index.is_ready()
    index.close()
    assert recover(root, durable=False).files == 7
    with open_core(root) as core:
        assert shown(core) == before
        core.check()


def test_bucket_deleted_and_index_lost_stays_deleted(root: Path, before: Any) -> None:
    with open_core(root) as core:
        core.buckets.delete(ALICE, "photos", force=True)
    shutil.rmtree(root / ".system" / "lost+found")
    (root / ".system" / "index.sqlite3").unlink()
    assert recover(root, durable=False).files == 0
    with open_core(root) as core:
        assert list(shown(core)) == ["empty"]


def test_lost_index_does_not_keep_replaced_bytes_or_deleted_buckets(root: Path) -> None:
    with open_core(root) as core:
        core.bucket("mine")
        core.put("a.txt", b"replaced", to="mine")
        kept, _ = core.put("a.txt", b"kept", to="mine")
        core.bucket("doomed")
        core.buckets.delete(ALICE, "doomed", force=True)
    (root / ".system" / "index.sqlite3").unlink()
    recover(root, durable=False)
    with open_core(root) as core:
        assert len(list(root.glob(f"mine/*/{kept.blob[:32]}-*"))) > 1
        core.collect()
        assert [path.name for path in root.glob(f"mine/*/{kept.blob[:32]}-*")] == [kept.blob]
        assert list((root / ".system" / "trash").iterdir()) == []
        core.check()


def lose_rows(core: Core) -> None:
    """Damage the index behind its back: a row lost, one wrong, one too many, and totals that are none."""
    with closing(sqlite3.connect(core.layout.index, isolation_level=None)) as connection:
        connection.execute("DELETE FROM files WHERE key = 'lost.txt'")
        connection.execute("UPDATE files SET size = 999, sha256 = '' WHERE key = 'wrong.txt'")
        connection.execute("UPDATE files SET key = 'ghost.txt' WHERE key = 'renamed.txt'")
        connection.execute("UPDATE buckets SET file_count = 77, total_size = -1, owner_id = 'mallory'")
        connection.execute("DELETE FROM pending_deletions")


def test_rebuild_beside_the_living_makes_every_row_agree(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        for key in ("lost.txt", "wrong.txt", "renamed.txt", "same.txt"):
            core.put(key, key.encode())
        core.put("same.txt", b"replaced")
        before = shown(core)
        lose_rows(core)
        assert recover(root, durable=False, rebuild_anyway=True).files == 4
        assert shown(core) == before
        core.check()  # the replaced bytes are scheduled again


def test_bucket_that_is_gone_from_the_disk_goes_from_an_index_in_use(root: Path) -> None:
    with open_core(root) as core:
        core.bucket()
        core.bucket("other")
        core.put("a.txt", to="other")
        shutil.rmtree(root / "other")
        recover(root, durable=False, rebuild_anyway=True)
        assert list(shown(core)) == ["photos"]
        core.check()
