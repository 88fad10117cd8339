"""Searches: they find what a plain model finds, in pages that each cost the same, whatever matches."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.domain.files import File
from storage_app.domain.pages import Listed, Position
from storage_app.domain.text import folded
from storage_app.index import Index
from storage_app.services.search import MAX_NAMES, find
from tests.support.core import A_TIME, a_bucket, a_file

BUCKET = a_bucket()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(tmp_path_factory.mktemp("search") / "index.sqlite3")
    made.create()
    yield made
    made.close()


def fill(index: Index, files: list[File]) -> None:
    with index.write() as transaction:
        transaction.clear()
        transaction.put_bucket(BUCKET)
        transaction.add_files(BUCKET.uid, files)
        # A bucket on each side, which no search of this one may run into.
        for uid in ("uid-of-photo", "uid-of-photos0"):
            transaction.add_files(uid, [a_file("a/b", bucket_uid=uid, filename="a")])


def named(names: dict[str, str]) -> list[File]:
    """Files by key with their filenames, two of each moment."""
    return [
        a_file(key, filename=name, created_at=A_TIME + timedelta(seconds=number // 2))
        for number, (key, name) in enumerate(names.items())
    ]


def page(
    index: Index, prefix: str, text: str, position: Position | None, limit: int, *, by_creation: bool = False
) -> list[Listed]:
    """Take as much as an answer does."""
    found = find(index, BUCKET, prefix=prefix, text=text, position=position, limit=limit, by_creation=by_creation)
    return list(islice(found, limit))


def keys(listed: list[Listed]) -> list[str]:
    return [entry.key for entry, _ in listed if isinstance(entry, File)]


def whole(index: Index, prefix: str, text: str, limit: int, *, skip: int = 0, by_creation: bool = False) -> list[str]:
    """Read `limit` entries at a time, each time from the position after the last one."""
    found: list[str] = []
    position: Position | None = Position(prefix, after=False, skip=skip)
    while position is not None:
        taken = page(index, prefix, text, position, limit, by_creation=by_creation)
        found += keys(taken)
        assert len(set(found)) == len(found), "the pages do not end"
        goes_on = len(keys(taken)) == limit or (taken and taken[-1].entry is None)
        position = taken[-1].following if goes_on else None
    return found


LETTERS = "aAbß.éE\u0301ſKİ"
NAMES = st.dictionaries(st.text("ab/", min_size=1, max_size=4), st.text(LETTERS, min_size=1, max_size=4), max_size=12)


@settings(max_examples=60, deadline=None)
@given(names=NAMES, prefix=st.text("ab", max_size=2), text=st.text(LETTERS, max_size=2), skip=st.integers(0, 4))
def test_search_finds_what_the_model_finds_for_every_limit(
    index: Index, names: dict[str, str], prefix: str, text: str, skip: int
) -> None:
    fill(index, named(names))
    matching = [key for key, name in names.items() if key.startswith(prefix) and folded(text) in folded(name)]
    newest_first = sorted(matching, key=lambda key: (list(names).index(key) // 2, key), reverse=True)
    for limit in (1, 2, 13):
        assert whole(index, prefix, text, limit, skip=skip) == sorted(matching)[skip:]
        assert whole(index, prefix, text, limit, skip=skip, by_creation=True) == newest_first[skip:]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cat", ["1", "2", "3"]),
        ("CAT.", ["1"]),
        ("STRASSE", ["4"]),
        ("straße", ["4"]),
        ("ΟΔΌΣ", ["5"]),
        ("É", ["6", "7"]),
        ("e\u0301", ["6", "7"]),
        ("e", ["4"]),
        ("%", []),
        ("_", ["3"]),
        ("key", []),
    ],
)
def test_case_makes_no_difference_in_any_script(index: Index, text: str, found: list[str]) -> None:
    names = ["Cat.JPG", "my cat", "CAT_3", "Straße", "οδός", "caf\u00e9", "CAFE\u0301"]
    fill(index, named({str(number): name for number, name in enumerate(names, start=1)}))
    assert whole(index, "", text, 10) == found


COUNT = 2 * MAX_NAMES + 10
LAST = f"{COUNT - 1:06}"


@pytest.fixture
def many(index: Index) -> Index:
    """More files than one request looks at. The last one by key, which is the oldest, is the only `Needle`."""
    fill(
        index,
        [
            a_file(key, filename="Needle" if key == LAST else "hay", created_at=A_TIME - timedelta(seconds=number))
            for number, key in enumerate(f"{number:06}" for number in range(COUNT))
        ],
    )
    return index


def test_rare_file_is_found_in_pages_of_bounded_work(many: Index) -> None:
    for prefix, text, by_creation in (("", "needle", False), ("", "needle", True), (LAST, "", True)):
        position, pages = None, 0
        while (found := page(many, prefix, text, position, 10, by_creation=by_creation))[0].entry is None:
            assert len(found) == 1
            position, pages = found[0].following, pages + 1
        assert (pages, keys(found)) == (2, [LAST])
        assert whole(many, prefix, text + "nothing", 10, by_creation=by_creation) == []


def test_skipped_files_are_counted_across_pages(many: Index) -> None:
    first = page(many, "", "hay", Position("", after=False, skip=MAX_NAMES + 1), 10)
    assert first == [Listed(None, Position(f"{MAX_NAMES - 1:06}", skip=1))]
    assert keys(page(many, "", "hay", first[0].following, 1)) == [f"{MAX_NAMES + 1:06}"]


def test_files_that_are_deleted_meanwhile_do_not_end_the_list(index: Index) -> None:
    files = named({f"{number:03}": "hay" for number in range(250)})
    fill(index, files)
    found = find(index, BUCKET, prefix="", text="hay", position=None, limit=1000)
    taken = [next(found)]
    with index.write() as transaction:
        for file in files[100:200]:
            transaction.drop_file(file)
    assert keys([*taken, *found]) == [file.key for file in [*files[:100], *files[200:]]]
