"""The names of content types."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.media_types.names import canonical, declared_type, essence, is_same, matches, normalize, with_charset


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("text/plain", "text/plain"),
        ("  Text/HTML\t", "text/html"),
        ("TEXT/Plain;Charset=UTF-8", "text/plain; Charset=UTF-8"),
        ("text/plain ; charset=utf-8 ;format=flowed", "text/plain; charset=utf-8; format=flowed"),
        ("text/plain;", "text/plain"),
        ("text/plain; ; a=b;;", "text/plain; a=b"),
        ('a/b; c="d; e=\\"f\\" \\\\"', 'a/b; c="d; e=\\"f\\" \\\\"'),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("video/h0; !#$%&'*+-.^_`|~=09azAZ", "video/h0; !#$%&'*+-.^_`|~=09azAZ"),
        ('a/b; c="\t !#[]~\\ \\~"', 'a/b; c="\t !#[]~\\ \\~"'),
        ('a/b; c="\x7f"', "a/b"),
        ('a/b; c="\\\x7f"', "a/b"),
        ("a/" + "b" * 253, "a/" + "b" * 253),
        ("a/" + "b" * 254, None),
        ("a/b;" + "c=d;" * 50, "a/b" + "; c=d" * 50),
        ("a/b;" + "c=d;" * 51, None),
        ("video/webm;codecs=vp8,opus", "video/webm"),
        ("video/webm; codecs=vp8,opus; a=b", "video/webm; a=b"),
        ('video/webm;codecs="vp8,opus"', 'video/webm; codecs="vp8,opus"'),
        ("", None),
        ("text", None),
        ("text/", None),
        ("/plain", None),
        ("text/plain/x", None),
        ("text /plain", None),
        ("text/plain, text/html", None),
        ("text/*", None),
        ("*/*", None),
        ("text/plain; charset", "text/plain"),
        ("text/plain; charset =utf-8", "text/plain"),
        ("text/plain; charset=", "text/plain"),
        ('text/plain; a="b', "text/plain"),
        ('text/plain; a="b"c', "text/plain"),
        ("text/plain\r\nSet-Cookie: a=b", None),
        ("text/plain; a=b\n", "text/plain"),
        ("text/plain\n", None),
        ("text/plain; a=é", "text/plain"),
        ('text/plain; a="é"; b=c', "text/plain; b=c"),
        ("téxt/plain", None),
        ("text/plain\x00", None),
    ],
)
def test_normalize(declared: str, expected: str | None) -> None:
    assert normalize(declared) == expected


@settings(deadline=None)
@given(st.text(alphabet='abAB/;=," \t*\\é\r\n', max_size=40).map("text/x".__add__))
def test_normalized_types_stay_as_they_are_and_fit_a_header(declared: str) -> None:
    content_type = normalize(declared)
    if content_type is not None:
        assert normalize(content_type) == content_type
        assert content_type.isascii()
        assert not {"\r", "\n"} & set(content_type)


@pytest.mark.parametrize(
    ("patterns", "content_type", "accepted"),
    [
        ((), "image/png", False),
        (("image/png",), "image/png", True),
        (("image/png",), "image/png; charset=utf-8", True),
        (("image/png",), "image/pngx", False),
        (("image/png",), "image/jpeg", False),
        (("image/*",), "image/jpeg", True),
        (("image/*",), "image/svg+xml; x=y", True),
        (("image/*",), "imagery/jpeg", False),
        (("image/*",), "text/plain; a=image/png", False),
        (("*/*",), "application/pdf", True),
        (("image/*", "application/pdf"), "application/pdf", True),
        (("image/*", "application/pdf"), "application/json", False),
        # By any of its names.
        (("image/jpeg",), "image/jpg", True),
        (("image/jpg",), "image/jpeg", True),
        (("image/pjpeg",), "image/jpg", True),
        (("application/zip",), "application/x-zip-compressed", True),
        (("audio/mp4", "audio/wav"), "audio/x-m4a", True),
        (("audio/mpeg",), "audio/mp3", True),
        (("audio/wav",), "audio/x-wav", True),
        (("text/javascript",), "application/javascript; charset=utf-8", True),
        (("application/javascript",), "text/javascript", True),
        (("text/*",), "application/javascript", True),
        (("application/*",), "application/javascript", True),
        (("image/png",), "image/jpg", False),
        (("audio/*",), "video/mp4", False),
    ],
)
def test_type_matches_a_pattern(patterns: tuple[str, ...], content_type: str, accepted: bool) -> None:
    assert matches(content_type, patterns) is accepted


@pytest.mark.parametrize(
    ("content_type", "ours"), [("image/jpg", "image/jpeg"), ("audio/x-wav", "audio/wav"), ("text/csv", "text/csv")]
)
def test_alias_has_our_name(content_type: str, ours: str) -> None:
    assert canonical(content_type) == ours


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("image/jpeg", "image/jpg; a=b", True),
        ("application/zip", "application/x-zip-compressed", True),
        ("text/plain; charset=utf-8", "text/plain", True),
        ("image/jpeg", "image/png", False),
    ],
)
def test_names_of_one_type_are_the_same(one: str, other: str, same: bool) -> None:
    assert is_same(one, other) is same


@pytest.mark.parametrize(
    ("declared", "chosen"),
    [
        ("Image/PNG", "image/png"),
        ("video/webm;codecs=vp8,opus", "video/webm"),
        ("application/x-www-form-urlencoded; charset=utf-8", None),
        ("no type", None),
        (None, None),
    ],
)
def test_type_that_nobody_chose_is_none(declared: str | None, chosen: str | None) -> None:
    assert declared_type(declared) == chosen


def test_charset_is_one_parameter_among_others() -> None:
    assert with_charset("text/plain; a=b", "utf-8") == "text/plain; a=b; charset=utf-8"
    assert essence("text/plain; a=b") == "text/plain"
