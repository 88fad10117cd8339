"""The opening of the outbox: what is missing is made, and what is damaged is put aside."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage_app.domain.changes import Change, ChangeKind
from storage_app.errors import StorageError
from storage_app.host.layout import Layout
from storage_app.index import Index, State
from storage_app.maintenance.outbox import open_outbox
from storage_app.maintenance.recover import recover
from tests.support.core import A_TIME, a_bucket


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    recover(tmp_path / "store", durable=False)
    return Layout(tmp_path / "store")


@pytest.fixture
def index(layout: Layout) -> Iterator[Index]:
    with closing(Index(layout.index)) as index:
        yield index


def add_event(layout: Layout, index: Index) -> None:
    with closing(open_outbox(layout, index, durable=True)) as outbox:
        with index.write() as transaction:
            transaction.announce(Change(ChangeKind.BUCKET_CREATED, a_bucket(), A_TIME))
        outbox.put(transaction.announced)


def count_due(layout: Layout, index: Index) -> int:
    with closing(open_outbox(layout, index, durable=True)) as outbox:
        return outbox.counts()[State.DUE]


def test_missing_outbox_is_made_with_a_warning(layout: Layout, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    assert count_due(layout, index) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    add_event(layout, index)
    assert count_due(layout, index) == 1
    assert caplog.records == []


def test_damaged_outbox_is_put_aside_and_made_again(
    layout: Layout, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    add_event(layout, index)
    content = b"no database " * 1000
    layout.events.write_bytes(content)
    assert count_due(layout, index) == 0
    (aside,) = layout.lost_and_found.iterdir()
    assert (aside / "events.sqlite3").read_bytes() == content
    assert "the outbox is damaged" in caplog.text
    add_event(layout, index)
    assert count_due(layout, index) == 1


def test_outbox_that_cannot_be_opened_now_stays(layout: Layout, index: Index) -> None:
    layout.events.mkdir()
    with pytest.raises(StorageError):
        open_outbox(layout, index, durable=True)
    assert layout.events.is_dir()
