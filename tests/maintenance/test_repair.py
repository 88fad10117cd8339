"""Repairs: what is mended is written again, and bytes that could be somebody's are kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_app.blobstore import key_hash, new_blob_name
from storage_app.maintenance.scan import Check, Finding
from tests.support.core import Core, open_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(tmp_path / "store") as core:
        core.bucket()
        core.put("a.txt", b"aaa")
        yield core


def repaired(core: Core) -> list[Finding]:
    return list(Check(core.index, core.store, core.resumables, core.commits, core.logs, repair=True).findings())


def at(core: Core, name: str) -> Path:
    """Return where the sidecar or blob called `name` lies."""
    return core.root / "photos" / name[:2] / name


def sidecar(core: Core) -> Path:
    return at(core, f"{key_hash('a.txt')}.json")


def blob(core: Core) -> Path:
    file = core.file("a.txt")
    assert file is not None
    return at(core, file.blob)


def test_lost_sidecar_is_written_again_from_the_index(core: Core) -> None:
    written = sidecar(core).read_bytes()
    sidecar(core).unlink()
    (finding,) = repaired(core)
    assert finding.repaired == "the sidecar was written again, from the index"
    assert sidecar(core).read_bytes() == written
    core.check()


def test_lost_sidecar_of_lost_bytes_is_not_written_again(core: Core) -> None:
    blob(core).unlink()
    sidecar(core).unlink()
    (finding,) = repaired(core)
    assert finding.repaired is None
    assert not sidecar(core).exists()


def test_stray_bytes_are_kept(core: Core) -> None:
    stray = at(core, new_blob_name("somebody's.txt"))
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"somebody's")
    assert len(repaired(core)) == 1
    (kept,) = (core.layout.lost_and_found / "photos").iterdir()
    assert kept.read_bytes() == b"somebody's"


def test_bytes_of_a_record_that_cannot_be_read_stay_where_they_are(core: Core) -> None:
    path = blob(core)
    sidecar(core).write_bytes(b"")
    assert len(repaired(core)) == 1
    assert path.read_bytes() == b"aaa"


def test_upload_in_progress_is_left_alone(core: Core) -> None:
    def repair(_: object) -> None:
        assert repaired(core) == []

    core.send("a.txt", b"new", meanwhile=repair, size=3, overwrite=True)
    assert repaired(core) == []
