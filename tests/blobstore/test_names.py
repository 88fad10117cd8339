"""Names on disk: they follow from the key, and blobs sort by time."""

import hashlib

import pytest

from storage_app.blobstore.names import key_hash, new_blob_name, new_generation


def test_key_hash_is_128_bits_of_sha256() -> None:
    assert key_hash("a/猫.txt") == hashlib.sha256("a/猫.txt".encode()).hexdigest()[:32]


def slug(key: str) -> str:
    hashed, generation, name = new_blob_name(key).split("-", 2)
    assert hashed == key_hash(key)
    assert len(generation) == 20
    return name


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("cat.jpg", "cat.jpg"),
        ("2026/07/cat.jpg", "cat.jpg"),
        ("Cat.JPG", "cat.jpg"),
        ("my cat (1).jpg", "my-cat-1.jpg"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("猫.png", "png"),
        ("кошка", ""),
        ("über-x_y.txt", "ber-x_y.txt"),
        (".bashrc", "bashrc"),
        ("...", ""),
        ("a..b", "a..b"),
        ("-rf", "rf"),
        ("a\\b:c*.d", "a-b-c.d"),
        ("$(rm -rf).sh", "rm--rf.sh"),
        ("x" * 100, "x" * 64),
        ("x" * 100 + ".jpeg", "x" * 59 + ".jpeg"),
        ("a." + "x" * 17, "a." + "x" * 17),
        ("x" * 100 + "." + "y" * 100, "x" * 64),
    ],
)
def test_slug(key: str, expected: str) -> None:
    assert slug(key) == expected


def test_blob_names_are_unique_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({new_blob_name("a") for _ in range(100)}) == 100
    made = []
    for milliseconds in (1, 2, 1_800_000_000_000):
        monkeypatch.setattr("storage_app.blobstore.names.time.time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(new_blob_name("a"))
    assert made == sorted(made)


def test_generations_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (0, 1, 1_800_000_000_000, 1_800_000_000_001, 2**48 - 1):
        monkeypatch.setattr("storage_app.blobstore.names.time.time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(new_generation())
    assert made == sorted(made)
    assert {len(generation) for generation in made} == {20}
