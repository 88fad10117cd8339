"""Rows that do not agree with their sidecars, and the bytes that hang on it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage_app.domain.files import UNCONDITIONAL
from storage_app.errors import FileNotFound
from tests.support.core import ALICE, open_core


def test_bytes_whose_sidecar_was_lost_survive_a_refused_request(tmp_path: Path) -> None:
    with open_core(tmp_path / "store") as core:
        core.bucket()
        file, _ = core.put("a.txt", b"precious")
        next(core.root.glob(f"photos/*/{file.blob[:32]}.json")).unlink()
        with pytest.raises(FileNotFound):
            core.files.edit(ALICE, "photos", "a.txt", changes={"cache_control": None}, conditions=UNCONDITIONAL)
        core.collect()
        assert next(core.root.glob(f"photos/*/{file.blob}")).read_bytes() == b"precious"


def test_bytes_that_another_process_replaced_and_did_not_finish_are_removed(tmp_path: Path) -> None:
    """It died between its sidecar and its COMMIT; whoever comes next finds the row behind the sidecar."""
    with open_core(tmp_path / "store") as core:
        core.bucket()
        old, _ = core.put("a.txt", b"old")
        new, _ = core.put("a.txt", b"new")
        with core.index.write() as transaction:
            transaction.put_file(old, new)
            transaction.clear_deletions(core.index.pending_deletions(datetime.now(UTC), after=0, limit=10))
        last, _ = core.put("a.txt", b"last")
        core.collect()
        assert [path.name for path in core.root.glob(f"photos/*/{last.blob[:32]}-*")] == [last.blob]
