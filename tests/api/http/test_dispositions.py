"""The names in the parts of forms, as clients write them."""

from contextlib import suppress

import pytest

from storage_app.api.http.dispositions import Disposition, parse_disposition
from storage_app.errors import InvalidName, InvalidRequest

# The client, the name of a file, and the parameters that the client writes for it.
CLIENTS: list[tuple[str, str, str]] = [
    ("browsers, curl since 7.81, undici", r"back\slash.txt", r'name="file"; filename="back\slash.txt"'),
    ("browsers, curl since 7.81, undici", "end\\", r'name="file"; filename="end\"'),
    ("browsers, curl since 7.81, undici", 'q"uote.txt', 'name="file"; filename="q%22uote.txt"'),
    ("browsers, curl since 7.81, undici", "50% off;a=b.txt", 'name="file"; filename="50% off;a=b.txt"'),
    ("browsers, curl since 7.81, undici", "line%0Dbreak%0A", 'name="file"; filename="line%0Dbreak%0A"'),
    ("browsers, curl since 7.81, undici", 'end\\"', r'name="file"; filename="end\%22"'),
    ("browsers, curl since 7.81, undici", "Größe 灯泡.txt", 'name="file"; filename="Größe 灯泡.txt"'),
    ("Internet Explorer", r"C:\x\y.txt", r'name="file"; filename="C:\x\y.txt"'),
    ("Firefox before 90", 'q"uote.txt', r'name="file"; filename="q\"uote.txt"'),
    ("Firefox before 90", r"back\slash.txt", r'name="file"; filename="back\slash.txt"'),
    ("curl before 7.81", 'a"b\\c.txt', r'name="file"; filename="a\"b\\c.txt"'),
    ("curl before 7.81", "end\\", r'name="file"; filename="end\\"'),
    ("Go mime/multipart", r"back\slash.txt", r'name="file"; filename="back\\slash.txt"'),
    ("Go mime/multipart", 'end"', r'name="file"; filename="end\""'),
    ("Go mime/multipart", 'a"; name="b.txt', r'name="file"; filename="a\"; name=\"b.txt"'),
    ("httpx, urllib3 before 2", 'a"b\\c.txt', r'name="file"; filename="a%22b\\c.txt"'),
    ("urllib3 before 1.25", "Größe.txt", "name=\"file\"; filename*=utf-8''Gr%C3%B6%C3%9Fe.txt"),
    ("aiohttp", 'a"ß.txt', 'name="file"; filename="a%22%C3%9F.txt"; filename*=utf-8\'\'a%22%C3%9F.txt'),
    ("OkHttp and Retrofit on Android", 'a"b\\c.txt', r'name="file"; filename="a%22b\c.txt"'),
    ("Apache HttpClient 4.5.7 and later", 'a"b\\c.txt', r'name="file"; filename="a\"b\\c.txt"'),
    ("Apache HttpClient 4.5.6, Ruby", 'a"b.txt', 'name="file"; filename="a"b.txt"'),
    ("Spring", "Größe.txt", "name=\"file\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.txt"),
    (
        "PowerShell 7, .NET",
        "ü b.txt",
        "name=file; filename=\"=?utf-8?B?w7wgYi50eHQ=?=\"; filename*=utf-8''%C3%BC%20b.txt",
    ),
    ("PowerShell 7, .NET", "x.txt", "name=file; filename=x.txt; filename*=utf-8''x.txt"),
    ("PowerShell 7, .NET", r"back\slash.txt", r"name=file; filename=back\slash.txt"),
    ("ISO-8859-1 by RFC 5987", "café.txt", "name=\"file\"; filename*=iso-8859-1'en'caf%E9.txt"),
    (
        "unknown charset, as RFC 8187 4.2 has it",
        "ascii.txt",
        "name=\"file\"; filename=ascii.txt; filename*=koi8-r''%C1",
    ),
    ("extended value in quotes", "ü.txt", 'name="file"; filename*="utf-8\'\'%C3%BC.txt"'),
    ("spaces and capitals", "x.txt", ' Name = "file" ;\tFILENAME="x.txt" ; other'),
]


@pytest.mark.parametrize(("client", "filename", "parameters"), CLIENTS)
def test_name_is_the_one_that_the_client_meant(client: str, filename: str, parameters: str) -> None:
    assert parse_disposition(f"form-data; {parameters}") == Disposition("file", filename), client


@pytest.mark.parametrize(
    ("header", "disposition"),
    [
        ("form-data", Disposition(None, None)),
        ("form-data;", Disposition(None, None)),
        ("form-data; name", Disposition(None, None)),
        ('form-data; name=""', Disposition("", None)),
        ('form-data; name="file"; filename=""', Disposition("file", "")),
        ('form-data; name="file"; filename', Disposition("file", None)),
        ('form-data; filename="a.txt"', Disposition(None, "a.txt")),
        (r'form-data; name="a\"b"', Disposition('a"b', None)),
    ],
)
def test_missing_is_told_from_empty(header: str, disposition: Disposition) -> None:
    assert parse_disposition(header) == disposition


def test_quote_that_is_not_closed_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="closing quote"):
        parse_disposition('form-data; name="file')


def test_extended_value_that_is_not_in_its_charset_is_refused() -> None:
    with pytest.raises(InvalidName, match="utf-8"):
        parse_disposition("form-data; name=file; filename*=utf-8''caf%E9.txt")


@pytest.mark.parametrize("part", ['a="" ; ', r'a="\"; ', '"" ', "; ", "\\"])
def test_header_of_a_megabyte_takes_no_time_out_of_proportion(part: str) -> None:
    """Each of these would take hours if a value were searched for again and again."""
    with suppress(InvalidRequest):
        parse_disposition('form-data; name="x"; ' + part * (2**18 // len(part)))
