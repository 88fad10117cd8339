"""Kinds of values: what each takes, as which value, and what it refuses."""

from pathlib import Path

import pytest
from environs import EnvError
from marshmallow import ValidationError

from storage_app.settings import kinds
from storage_app.settings.kinds import LARGEST, Environment, Kind, is_sample

# As the docstring of `Kind` says.
REFUSALS = (EnvError, ValidationError, ValueError, RuntimeError)

KINDS = {
    "text": kinds.text("two letters", "[a-z]{2}"),
    "header value": kinds.header_value(4),
    "one of": kinds.one_of("HS256", "HS384"),
    "whole number": kinds.whole_number(1, 65535),
    "key": kinds.key_bytes(4),
    "size": kinds.size(1),
    "folder": kinds.folder(Path("/srv")),
    "file": kinds.file(Path("/etc")),
    "flag": kinds.flag(),
    "log level": kinds.log_level(),
    "host": kinds.host(),
    "url": kinds.url(),
    "webhook secret": kinds.webhook_secret(),
    "database url": kinds.database_url(),
    "origins": kinds.origins(),
}


def read(kind: Kind, value: str) -> object:
    return kind.read(Environment({"NAME": value}), "NAME")


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("text", "ab", "ab"),
        ("header value", "a~!b", "a~!b"),
        ("one of", "HS384", "HS384"),
        ("whole number", "1", 1),
        ("whole number", "65535", 65535),
        ("key", "éé", "éé"),
        ("size", "1", 1),
        ("size", "7 B", 7),
        ("size", "500MB", 500_000_000),
        ("size", "10 gib", 10 * 1024**3),
        ("size", " 2kB ", 2000),
        ("size", "1TiB", 1024**4),
        ("size", str(LARGEST), LARGEST),
        ("folder", "data", Path("/srv/data")),
        ("folder", "/data", Path("/data")),
        ("folder", "~/files", Path("~/files").expanduser()),
        ("file", "audit.log", Path("/etc/audit.log")),
        ("file", "/tmp/audit.log", Path("/tmp/audit.log")),
        ("flag", "yes", True),
        ("flag", "0", False),
        ("log level", "warning", "WARNING"),
        ("host", "::1", "::1"),
        ("host", "files.example.com", "files.example.com"),
        ("url", "http://[::1]:8001", "http://[::1]:8001"),
        ("url", "https://files.example/storage/", "https://files.example/storage"),
        ("database url", "postgresql://me@db:5432/storage", "postgresql://me@db:5432/storage"),
        ("webhook secret", "whsec_" + "A" * 32, "whsec_" + "A" * 32),
        ("origins", "*", ("*",)),
        ("origins", "https://A.example/ , http://b:3000", ("https://a.example", "http://b:3000")),
    ],
)
def test_value_is_taken(kind: str, value: str, taken: object) -> None:
    assert read(KINDS[kind], value) == taken


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ["a", "abc", "AB", "ab\n", ""]),
        ("header value", ["abc", "x" * 1025, "two words", "schlüssel", "keys\n"]),
        ("one of", ["RS256", "hs256", "HS256 ", ""]),
        ("whole number", ["0", "65536", "http", "1.5", "auto", ""]),
        ("key", ["abc", "é", ""]),
        ("size", ["0", "-1", "1.5", "10 GB/s", "10XB", "9999999TiB", str(LARGEST + 1), "MB", "٣", ""]),
        ("folder", ["~nobody-of-that-name/files"]),
        ("file", ["/etc", "none/audit.log", "passwd/audit.log"]),
        ("flag", ["perhaps", "2", ""]),
        ("log level", ["loud", ""]),
        ("host", ["localhost/", "[::1]", "local host", "localhost\n", ""]),
        (
            "url",
            [
                "localhost:8001", "ftp://localhost", "http://", "http://localhost:", "http://localhost:0",
                "http://localhost:99999", "http://[::1", "http://user:password@localhost", "http://localhost?a=b",
                "http://localhost/#top", "http://local host", "http://localhost\r\nX: y", "//localhost", "",
            ],
        ),
        ("webhook secret", ["whsec_", "A" * 32, "whsec_" + "A" * 28, "whsec_" + "A" * 88, "whsec_" + "?" * 32, ""]),
        ("database url", ["sqlite:///index", "postgresql://db", "postgresql://db/", "postgresql://db/a b", ""]),
        ("origins", ["example.com", "https://a.example/path", "*, https://a.example", "https://a.example,"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_value_is_refused(kind: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(REFUSALS):
            read(KINDS[kind], value)


def test_every_kind_is_tried() -> None:
    made = {name for name, each in vars(kinds).items() if getattr(each, "__annotations__", {}).get("return") is Kind}
    assert len(KINDS) == len(made)


def test_other_variables_of_the_machine_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "from the machine")
    with pytest.raises(EnvError):
        Environment({}).str("NAME")


@pytest.mark.parametrize(
    ("secret", "sample"),
    [
        ("changeme_super_secret_jwt_key_32_bytes_long", True),
        ("Change-Me-please-change-me-please", True),
        ("your_secret_key_here_your_secret_key", True),
        ("supersecretsupersecretsupersecret", True),
        ("my-secret-my-secret-my-secret-my-secret", True),
        ("replace this with 32 random bytes!!", True),
        ("a-secret-key-for-tests-of-32-bytes-or-more", False),
        ("5f9c1f0a8f3c4b7f9c3fd0b77d1b2a6b5f9c1f0a8f3c4b7f9c3fd0b77d1b2a6b", False),
        ("exchange-secrets-with-care-0123456789", False),
    ],
)
def test_sample_is_told_from_a_secret(secret: str, sample: bool) -> None:
    assert is_sample(secret) is sample
