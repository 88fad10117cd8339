"""The ids of resumable uploads: nobody can guess or make one."""

import pytest

from storage_app.auth.resumable_ids import ResumableIds

IDS = ResumableIds("a secret key of thirty-two bytes")


def test_new_ids_are_ours_and_differ() -> None:
    made = {IDS.new() for _ in range(200)}
    assert len(made) == 200
    assert all(IDS.is_ours(each) and not each.startswith("-") for each in made)


@pytest.mark.parametrize(
    "text", ["", "A" * 31, "A" * 32, "A" * 33, "../../../../../../../../etc/passw", "é" * 32, f"{'A' * 31}="]
)
def test_other_texts_are_not(text: str) -> None:
    assert not IDS.is_ours(text)


def test_no_character_may_change() -> None:
    made = IDS.new()
    for place in range(len(made)):
        changed = made[:place] + ("B" if made[place] != "B" else "C") + made[place + 1 :]
        assert not IDS.is_ours(changed)


def test_ids_of_another_secret_are_not_ours() -> None:
    assert not ResumableIds("another secret key of so many bytes").is_ours(IDS.new())
