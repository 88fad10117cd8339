"""Filenames that could end a header or a quotation: they are refused, or come back as one well-formed header."""

import json
import re
from urllib.parse import unquote

import httpx
import pytest

from tests.support.raw_http import assert_nothing_left, assert_problem, send, with_length
from tests.support.service import RunningService, bearer, token

AUTHORIZATION = ("Authorization", f"Bearer {token()}")

# RFC 6266 section 4.1, with both parameters, the first as a quoted-string of ASCII.
DISPOSITION = re.compile(
    r"""attachment; filename="((?:[ !#-\[\]-~]|\\["\\])*)"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)"""
)


def form(filename: str) -> bytes:
    return (
        f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\nabc\r\n--cut--\r\n'
    ).encode()


def disposition(client: httpx.Client, url: str) -> tuple[str, str]:
    """Return the two names that the download at `url` offers, checked to stand in one header."""
    response = client.get(url)
    (header,) = response.headers.get_list("Content-Disposition")
    assert "x-injected" not in response.headers
    match = DISPOSITION.fullmatch(header)
    assert match, header
    return match[1], unquote(match[2])


ODD = {
    "quotes": ('a"b".txt', r"a\"b\".txt"),
    "backslash": ("a\\b.txt", r"a\\b.txt"),
    "semicolon": ("a; filename=b.txt", "a; filename=b.txt"),
    "percent": ("100%41.txt", "100_41.txt"),
    "apostrophes": ("UTF-8''x.txt", "UTF-8''x.txt"),
    "letters with marks": ("Größe.txt", "Gro_e.txt"),
    "another script": ("図.txt", "_.txt"),
    "an emoji": ("🐈.txt", "_.txt"),
    "right to left": ("a\u202etxt.exe", "a_txt.exe"),
    "spaces around": (" a ", " a "),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_filename_comes_back_whole(service: RunningService, bucket: str, name: str) -> None:
    filename, ascii_name = ODD[name]
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        url = client.put(f"/files/upload-direct/{bucket}/file", content=b"abc").json()["download_url"]
        edited = client.put(f"/files/metadata/{bucket}/file", json={"filename": filename}).json()
        link = client.post(
            "/files/initiate-download", json={"bucket_id": bucket, "file_id": "file", "filename": filename}
        ).json()["download_url"]
        assert edited["filename"] == filename
        assert disposition(client, url) == (ascii_name, filename)
        assert disposition(client, link) == (ascii_name, filename)


def test_escaped_quote_of_a_form_is_a_quote(service: RunningService, bucket: str) -> None:
    # The living standard of HTML has browsers send %22 for a quote, and RFC 7578 lets others send a backslash.
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        for sent, filename in ((r"a\"b.txt", 'a"b.txt'), ("a%22b.txt", 'a"b.txt'), ("Größe.txt", "Größe.txt")):
            body = form(sent)
            headers = with_length([AUTHORIZATION, ("Content-Type", "multipart/form-data; boundary=cut")], body)
            answer = send(service, f"POST /files/upload/{bucket}", headers, body)
            assert (answer.status, answer.json["filename"], answer.json["id"]) == (201, filename, filename)
            client.delete(f"/buckets/{bucket}?force=true").raise_for_status()
            client.post("/buckets", json={"name": bucket}).raise_for_status()


@pytest.mark.parametrize("filename", ["a\rb", "a\nb", "a\r\nX-Injected: yes", "a\0b", "a\x1b[31mb", "a\x85b", "\ud800"])
def test_control_character_is_refused(service: RunningService, bucket: str, filename: str) -> None:
    json_headers = [AUTHORIZATION, ("Content-Type", "application/json")]
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.put(f"/files/upload-direct/{bucket}/file", content=b"abc").raise_for_status()
        for line, fields in (
            (f"PUT /files/metadata/{bucket}/file", {}),
            ("POST /files/initiate-upload", {"bucket_id": bucket}),
            ("POST /files/initiate-download", {"bucket_id": bucket, "file_id": "file"}),
        ):
            body = json.dumps({**fields, "filename": filename}).encode()
            problem = assert_problem(
                send(service, line, with_length(json_headers, body), body), 422, "validation_failed"
            )
            assert list(problem["errors"]) == ["filename"]
        assert client.get(f"/files/info/{bucket}/file").json()["filename"] == "file"


@pytest.mark.parametrize("filename", ["a\rb", "a\nb", "a\r\nX-Injected: yes", "a\0b", "a\x1b[31mb", "a\x85b"])
def test_control_character_in_a_form_makes_no_file_of_that_name(
    service: RunningService, bucket: str, filename: str
) -> None:
    body = form(filename)
    headers = with_length([AUTHORIZATION, ("Content-Type", "multipart/form-data; boundary=cut")], body)
    answer = send(service, f"POST /files/upload/{bucket}", headers, body)
    assert answer.status == 400, answer.body
    assert_nothing_left(service)
    assert httpx.get(f"{service.url}/files/list/{bucket}", headers=bearer()).json() == []
