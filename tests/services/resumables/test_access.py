"""Access to uploads: expired ones and those of deleted buckets have ended, and a finish that was killed is seen."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage_app.errors import UploadGone, UploadLocked
from tests.support.core import ALICE, Core
from tests.support.resumables import HELLO, append, create, reserved


def change_record(core: Core, upload_id: str, **values: Any) -> None:
    path = core.layout.resumable / upload_id / "upload.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_expired_upload_has_ended(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    change_record(core, upload, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    with pytest.raises(UploadGone, match="expired"):
        core.services.appending.state(upload)


def test_upload_ends_with_its_bucket(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    core.buckets.delete(ALICE, "photos", force=True)
    core.bucket()
    with pytest.raises(UploadGone, match="bucket"):
        append(core, upload, 5, b"x")
    assert (list(core.resumables.ids()), reserved(core)) == ([], (0, 0))


def test_upload_that_became_a_file_before_a_kill_is_complete(core: Core) -> None:
    upload = create(core, data=HELLO).upload.id
    file = core.file("new.txt")
    assert file is not None
    blob = next(core.root.glob(f"photos/??/{file.blob}"))
    (core.layout.resumable / upload / "data").hardlink_to(blob)
    change_record(core, upload, is_finished=False)
    assert core.services.appending.state(upload).upload.is_finished
    assert not (core.layout.resumable / upload / "data").exists()
    assert core.file("new.txt") == file


def test_upload_whose_bytes_are_lost_has_ended(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    (core.layout.resumable / upload / "data").unlink()
    with pytest.raises(UploadGone, match="lost"):
        append(core, upload, 0, b"x")


def test_upload_that_another_holds_is_seen(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    with core.resumables.held(upload):
        with pytest.raises(UploadLocked), core.resumables.held(upload):
            pass
        assert core.services.appending.state(upload).offset == 5
