"""One piece: what of it is kept, however it ends."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.blobstore.resumables.held import HeldResumable
from storage_app.blobstore.resumables.store import ResumableStore
from storage_app.domain.resumables import Checksum
from storage_app.errors import ChecksumMismatch, FileTooLarge, StorageError, TruncatedBody
from storage_app.host.boot import boot_id
from storage_app.services.resumables.hashes import RunningHash
from storage_app.services.resumables.pieces import Receiving
from tests.support.resumables import HELLO, Piece, a_resumable

RIGHT = Checksum("sha256", hashlib.sha256(b"world").digest())
WRONG = Checksum("sha256", hashlib.sha256(b"other").digest())
LOST = TruncatedBody("The connection was lost.")


@pytest.fixture
def use(tmp_path: Path) -> Callable[..., None]:
    """Hold an upload of eleven bytes that has `hello `."""
    staging, directory = tmp_path / "staging", tmp_path / "resumable"
    staging.mkdir()
    directory.mkdir()
    store = ResumableStore(directory, staging, durable=False)
    store.create(a_resumable(boot_id=boot_id()))

    def use(callback: Callable[[HeldResumable], None]) -> None:
        with store.held("A" * 32) as held:
            assert held is not None
            held.write(b"hello ")
            callback(held)

    return use


@pytest.mark.parametrize(
    ("piece", "checksum", "error", "offset", "keeps"),
    [
        (Piece(b"world"), None, None, 11, True),
        (Piece(b"world"), RIGHT, None, 11, True),
        (Piece(b"world"), WRONG, ChecksumMismatch, 6, True),
        (Piece(b"wor", LOST), None, TruncatedBody, 9, True),
        (Piece(b"wor", LOST), RIGHT, TruncatedBody, 6, True),
        (Piece(b"world!", chunked=True), None, FileTooLarge, 6, True),
        (Piece(b"world!", chunked=True), RIGHT, FileTooLarge, 6, True),
    ],
)
def test_what_came_is_kept_if_it_counts(
    use: Callable[..., None],
    piece: Piece,
    checksum: Checksum | None,
    error: type[StorageError] | None,
    offset: int,
    keeps: bool,
) -> None:
    def receive(held: HeldResumable) -> None:
        receiving = Receiving(held, RunningHash(0), checksum, print)
        if error is None:
            receiving.receive(piece)
        else:
            with pytest.raises(error):
                receiving.receive(piece)
        assert (held.offset, receiving.keeps) == (offset, keeps)

    use(receive)


def test_bytes_are_hashed_on_the_way_if_all_before_were(use: Callable[..., None]) -> None:
    def receive(held: HeldResumable) -> None:
        late, current = RunningHash(0), RunningHash(0)
        current.update(b"hello ")
        Receiving(held, late, None, print).receive(Piece(b"wo"))
        assert late.offset == 0
        current.update(b"wo")
        Receiving(held, current, None, print).receive(Piece(b"rld"))
        assert current.of_whole(held.pieces) == hashlib.sha256(HELLO).hexdigest()

    use(receive)


def test_killed_process_leaves_a_mark_where_a_checked_piece_began(use: Callable[..., None]) -> None:
    def receive(held: HeldResumable) -> None:
        receiving = Receiving(held, RunningHash(0), RIGHT, print)
        with pytest.raises(SystemExit):
            receiving.receive(Piece(b"wor", SystemExit()))  # type: ignore[arg-type]  # as a worker that is killed
        assert (held.upload.checked_from, receiving.keeps) == (6, False)

    use(receive)
