"""Unknown names are named, with the known one that was probably meant, and never more than a few of them."""

import pytest

from storage_app.api.schemas.unknown import MAX_ERRORS, unknown_names


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("overwite", ["overwrite", "limit"], "Unknown parameter; did you mean 'overwrite'?"),
        ("Limit", ["overwrite", "limit"], "Unknown parameter; did you mean 'limit'?"),
        ("x", ["overwrite", "limit"], "Unknown parameter; this route knows 'limit', 'overwrite'."),
        ("x", [], "Unknown parameter; this route has none."),
        ("", ["limit"], "Unknown parameter; this route knows 'limit'."),
        ("limit" * 20, ["limit" * 19], f"Unknown parameter; this route knows '{'limit' * 19}'."),  # long, not compared
    ],
)
def test_nearest_known_name_is_offered(name: str, known: list[str], message: str) -> None:
    assert unknown_names([name, *known], known, "parameter") == {name: [message]}


def test_few_of_many_are_named() -> None:
    assert list(unknown_names(map(str, range(10**6)), ["7"], "field")) == [
        str(number) for number in range(MAX_ERRORS + 1) if number != 7
    ]
