"""Ballast: it takes space while there is plenty, and gives it back to what must not fail on a full disk."""

from pathlib import Path

import pytest

from storage_app.errors import InsufficientStorage, Unavailable
from storage_app.host.ballast import SIZE, Ballast
from tests.support.disk import PAGE, files_end_at, small_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ballast"


class Action:
    """Fails with `errors`, one at a call, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def test_ballast_takes_real_space_once(path: Path) -> None:
    for _ in range(2):
        Ballast(path).keep()
        assert path.stat().st_size == SIZE
        assert path.stat().st_blocks * 512 >= SIZE


def test_ballast_that_was_cut_short_is_taken_again(path: Path) -> None:
    path.write_bytes(b"x")
    Ballast(path).keep()
    assert path.stat().st_size == SIZE


@pytest.mark.parametrize(("pages_less", "kept"), [(0, True), (1, False)])
def test_ballast_is_taken_only_if_twice_its_size_stays_free(tmp_path: Path, pages_less: int, kept: bool) -> None:
    with small_disk(tmp_path / "disk", size="16m") as disk:
        disk.leave_pages(3 * SIZE // PAGE - pages_less)
        path = disk.path / "reserve"
        Ballast(path).keep()
        assert path.exists() is kept


def test_ballast_that_finds_no_space_leaves_no_file_and_raises_nothing(path: Path) -> None:
    with files_end_at(SIZE - 1):
        Ballast(path).keep()
    assert not path.exists()


def test_ballast_in_a_directory_that_is_missing_raises_nothing(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "none" / "ballast")
    ballast.keep()
    ballast.give_up()


@pytest.mark.parametrize(
    ("errors", "calls", "is_held"),
    [([], 1, True), ([InsufficientStorage("full")], 2, False)],
    ids=["room", "full once"],
)
def test_ballast_is_spent_on_an_action_that_meets_a_full_disk(
    path: Path, errors: list[Exception], calls: int, is_held: bool
) -> None:
    ballast, action = Ballast(path), Action(*errors)
    ballast.keep()
    assert ballast.spend_on(action) == "done"
    assert action.calls == calls
    assert path.exists() is is_held


@pytest.mark.parametrize(
    ("errors", "is_held"),
    [
        ([InsufficientStorage("full"), InsufficientStorage("full still")], False),
        ([Unavailable("the disk is away")], True),
    ],
    ids=["full twice", "another error"],
)
def test_action_that_ballast_does_not_help_fails_with_its_last_error(
    path: Path, errors: list[Exception], is_held: bool
) -> None:
    ballast = Ballast(path)
    ballast.keep()
    last = errors[-1]
    with pytest.raises(type(last)) as raised:
        ballast.spend_on(Action(*errors))
    assert raised.value is last
    assert path.exists() is is_held
