"""Rebuilds of a store with damaged records: each is reported and left out, and nothing is removed."""

import shutil
from pathlib import Path

import pytest

from storage_app.blobstore import key_hash
from storage_app.domain.buckets import Totals
from storage_app.errors import DamagedFile
from storage_app.maintenance.recover import recover
from tests.support.core import open_core, shown


@pytest.fixture
def root(two_files: Path) -> Path:
    return two_files


def sidecar(root: Path, key: str) -> Path:
    return root / "photos" / key_hash(key)[:2] / f"{key_hash(key)}.json"


def keys(root: Path) -> list[str]:
    with open_core(root) as core:
        totals, files = shown(core)["photos"]
        assert totals == Totals(len(files), sum(file.size for file in files))
        return [file.key for file in files]


DAMAGED = {
    "empty": b"",
    "zeros": bytes(300),
    "cut": b'{\n  "format": 1,\n  "key": "bad.txt",',
    "of another file": None,
    "with a number for a key": b"key",
    "without a size": b"size",
    "with a time of no zone": b"created_at",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_sidecar_is_reported_and_left_out(root: Path, damage: str) -> None:
    text = DAMAGED[damage]
    path = sidecar(root, "bad.txt")
    if text is None:
        shutil.copy(sidecar(root, "good.txt"), path)
    elif damage in ("empty", "zeros", "cut"):
        path.write_bytes(text)
    else:
        value = {"key": "5", "size": "null", "created_at": '"2026-01-02T03:04:05"'}[text.decode()]
        lines = path.read_text().splitlines()
        changed = [f'  "{text.decode()}": {value},' if f'"{text.decode()}":' in line else line for line in lines]
        path.write_text("\n".join(changed))
    recovery = recover(root, durable=False, rebuild_anyway=True)
    assert recovery.files == 1
    (reported,) = recovery.damaged
    assert reported.startswith(str(path.relative_to(root)))
    assert keys(root) == ["good.txt"]
    with open_core(root) as core, pytest.raises(DamagedFile):
        core.put("bad.txt")


def test_damaged_bucket_record_is_reported_and_left_out(root: Path) -> None:
    with open_core(root) as core:
        core.bucket("another")
    (root / "photos" / ".bucket.json").write_bytes(b"")
    recovery = recover(root, durable=False, rebuild_anyway=True)
    (reported,) = recovery.damaged
    assert reported.startswith("photos/.bucket.json")
    with open_core(root) as core:
        assert list(shown(core)) == ["another"]
        with pytest.raises(DamagedFile, match="'photos'"):
            core.bucket("photos")


def test_copied_bucket_with_the_same_uid_does_not_keep_the_store_from_starting(root: Path) -> None:
    shutil.copytree(root / "photos", root / "copied")
    record = root / "copied" / ".bucket.json"
    record.write_text(record.read_text().replace('"photos"', '"copied"'))
    recovery = recover(root, durable=False, rebuild_anyway=True)
    assert len(recovery.damaged) == 1
    with open_core(root) as core:
        assert sum(len(files) for _, files in shown(core).values()) == 2


def test_sidecar_without_its_bytes_stays_listed(root: Path) -> None:
    for path in (root / "photos").glob(f"*/{key_hash('bad.txt')}-*"):
        path.unlink()
    recovery = recover(root, durable=False, rebuild_anyway=True)
    assert recovery.files == 2
    assert keys(root) == ["bad.txt", "good.txt"]


def test_bytes_that_nothing_explains_are_left_alone(root: Path) -> None:
    sidecar(root, "bad.txt").unlink()
    stray = root / "photos" / "00" / "somebody's.txt"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("precious")
    recover(root, durable=False, rebuild_anyway=True)
    assert keys(root) == ["good.txt"]
    with open_core(root) as core:
        core.collect()
    assert stray.read_text() == "precious"
    assert list((root / "photos").glob(f"*/{key_hash('bad.txt')}-*"))
