"""The check: every kind of damage is found, what can be is mended, and nothing that is in use is touched."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from storage_app.blobstore import key_hash, new_blob_name
from storage_app.domain.files import UNCONDITIONAL
from storage_app.maintenance.scan import Check, Damage, Finding
from tests.support.core import ALICE, Core, open_core, shown


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(tmp_path / "store") as core:
        core.bucket()
        core.put("a.txt", b"aaa")
        core.put("b.txt", b"bbb")
        core.put("b.txt", b"replaced")
        core.put("c.txt", b"ccc")
        core.files.delete(ALICE, "photos", "c.txt", conditions=UNCONDITIONAL)
        core.bucket("empty")
        yield core


def findings(core: Core, *, repair: bool = False) -> list[Finding]:
    return list(Check(core.index, core.store, core.resumables, core.commits, core.logs, repair=repair).findings())


def sidecar(core: Core, key: str) -> Path:
    return core.root / "photos" / key_hash(key)[:2] / f"{key_hash(key)}.json"


def blob(core: Core, key: str) -> Path:
    file = core.file(key)
    assert file is not None
    return sidecar(core, key).with_name(file.blob)


def run(core: Core, statement: str) -> None:
    with closing(sqlite3.connect(core.layout.index, isolation_level=None)) as connection:
        connection.execute(statement)


def leave_stray(core: Core) -> None:
    path = sidecar(core, "a.txt").with_name(new_blob_name("a.txt"))
    path.write_bytes(b"somebody's")


DAMAGES: dict[str, tuple[Callable[[Core], object], Damage, bool]] = {
    "record": (lambda core: sidecar(core, "a.txt").write_bytes(b"{"), Damage.RECORD, False),
    "bucket's record": (lambda core: (core.root / "photos" / ".bucket.json").write_bytes(b""), Damage.RECORD, False),
    "bytes gone": (lambda core: blob(core, "a.txt").unlink(), Damage.BYTES, False),
    "bytes cut": (lambda core: blob(core, "a.txt").write_bytes(b"a"), Damage.BYTES, False),
    "sidecar gone": (lambda core: sidecar(core, "a.txt").unlink(), Damage.SIDECAR, True),
    "directory that is no bucket": (lambda core: (core.root / "old").mkdir(), Damage.FOREIGN, False),
    "row gone": (lambda core: run(core, "DELETE FROM files WHERE key = 'a.txt'"), Damage.INDEX, True),
    "row wrong": (
        lambda core: run(core, "UPDATE files SET owner_id = 'mallory' WHERE key = 'a.txt'"),
        Damage.INDEX,
        True,
    ),
    "bucket's row wrong": (
        lambda core: run(core, "UPDATE buckets SET owner_id = 'm' WHERE name = 'photos'"),
        Damage.INDEX,
        True,
    ),
    "stray": (leave_stray, Damage.STRAY, True),
}


def test_whole_store_has_no_findings(core: Core) -> None:
    """Replaced and deleted bytes that wait for their minute are explained."""
    assert findings(core) == []
    core.collect()
    assert findings(core, repair=True) == []
    core.check()


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_mended_where_it_can_be(core: Core, name: str) -> None:
    damage, kind, mends = DAMAGES[name]
    before = shown(core)
    damage(core)
    found = findings(core)
    assert [(finding.damage, finding.repaired) for finding in found] == [(kind, None)]
    assert findings(core) == found  # looking changed nothing
    (mended,) = findings(core, repair=True)
    assert (mended.damage, mended.repaired is not None) == (kind, mends)
    assert (findings(core) == []) is mends
    if mends:
        assert shown(core)["photos"][1] == before["photos"][1]
        core.collect()
        for file in before["photos"][1]:
            assert core.read(file)


def test_command_says_what_is_wrong_and_exits_with_1(app: Flask, make_settings: object, tmp_path: Path) -> None:
    runner = app.test_cli_runner()
    done = runner.invoke(args=["storage", "check"])
    assert (done.exit_code, done.output) == (0, "Nothing is wrong.\n")
    with open_core(tmp_path / "store") as core:
        core.bucket()
        core.put("a.txt")
        leave_stray(core)
        sidecar(core, "a.txt").unlink()
    done = runner.invoke(args=["storage", "check"])
    assert done.exit_code == 1
    assert f"photos: a.txt: {Damage.SIDECAR}\n" in done.output
    assert "found, 0 of them mended." in done.output
    done = runner.invoke(args=["storage", "check", "--repair"])
    assert done.exit_code == 0
    assert "written again" in done.output
    assert "lost+found" in done.output
    assert runner.invoke(args=["storage", "check"]).exit_code == 0
