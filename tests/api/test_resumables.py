"""tus 1.0.0 to the letter: each MUST of its text that a server can break, and each refusal.

The comments quote the text, under the heading of their section.
"""

import base64
import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from storage_app.node import Services
from tests.support.service import ANON_KEY, bearer
from tests.support.tus import ENDPOINT, PIECE, VERSION, Tus, metadata, new_txt

HELLO = b"hello world"
IN_PHOTOS = metadata(bucket_id="photos")["Upload-Metadata"]
UNKNOWN = f"{ENDPOINT}/{'A' * 32}"


def checksum(data: bytes, algorithm: str = "sha1") -> str:
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return f"{algorithm} {digest}"


@pytest.fixture
def tus(client: FlaskClient) -> Tus:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    return Tus(client)


def content(tus: Tus, key: str = "new.txt") -> str | None:
    answer = tus.ask("GET", f"/files/download/photos/{key}", bearer())
    return answer.text if answer.status_code == 200 else None


# Tus-Resumable: "MUST be included in every request and response except for OPTIONS requests."


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.0, 0.2.2", ""])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_or_none_is_not_processed(tus: Tus, method: str, version: str | None) -> None:
    # "it MUST respond with the 412 Precondition Failed status and MUST include the Tus-Version header into the
    # response. In addition, the Server MUST NOT process the request."
    upload = tus.created(11)
    sent: dict[str, Any] = {"Tus_Resumable": version}
    answers = {
        "POST": lambda: tus.create(11, **sent),
        "HEAD": lambda: tus.head(upload, **sent),
        "PATCH": lambda: tus.patch(upload, 0, HELLO, **sent),
        "DELETE": lambda: tus.delete(upload, **sent),
    }
    answer = answers[method]()
    assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert tus.offset(upload) == 0


def test_every_answer_tells_the_version_and_is_not_cached(tus: Tus) -> None:
    upload = tus.created(11)
    answers = [
        tus.ask("OPTIONS", ENDPOINT),
        tus.ask("OPTIONS", upload),
        tus.create(11),
        tus.create(11, Upload_Length="x"),
        tus.head(upload),
        tus.head(UNKNOWN),
        tus.patch(upload, 5, b"late"),
        tus.patch(upload, 0, HELLO),
        tus.delete(upload),
        tus.delete(upload),
        tus.ask("GET", upload),
        tus.ask("PUT", ENDPOINT),
    ]
    assert [answer.headers.get("Tus-Resumable") for answer in answers] == ["1.0.0"] * len(answers)
    # HEAD: "The Server MUST prevent the client and/or proxies from caching the response by adding the Cache-Control:
    # no-store header to the response."
    assert {answer.headers.get("Cache-Control") for answer in answers} == {"no-store"}


# OPTIONS


@pytest.mark.parametrize("path", [ENDPOINT, UNKNOWN, f"{ENDPOINT}/signed/token/photos/a/b.txt"])
@pytest.mark.parametrize("version", [{}, {"Tus-Resumable": "0.2.2"}])
def test_options_tell_what_the_server_can(tus: Tus, path: str, version: dict[str, str]) -> None:
    # "The Client SHOULD NOT include the Tus-Resumable header in the request and the Server MUST ignore the header."
    answer = tus.ask("OPTIONS", path, version)
    assert answer.status_code == 200
    # "A successful response [...] MUST contain the Tus-Version header."
    assert answer.headers["Tus-Version"] == "1.0.0"
    # "If the Server supports this extension, it MUST add `creation` to the Tus-Extension header", and likewise.
    assert answer.headers["Tus-Extension"].split(",") == [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "expiration",
        "checksum",
        "termination",
        "concatenation",
    ]
    # "The Tus-Checksum-Algorithm header MUST be included in the response to an OPTIONS request." "The Server MUST
    # support at least the SHA1 checksum algorithm identified by sha1."
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"


def test_largest_size_is_told_only_if_there_is_one(tus: Tus, make_app: object) -> None:
    # "The Tus-Max-Size response header MUST be a non-negative integer indicating the maximum allowed size".
    assert "Tus-Max-Size" not in tus.ask("OPTIONS", ENDPOINT).headers
    assert callable(make_app)
    limited = Tus(make_app(MAX_FILE_SIZE="10").test_client())
    assert limited.ask("OPTIONS", ENDPOINT).headers["Tus-Max-Size"] == "10"
    # "If the length of the upload exceeds the maximum, [...] the Server MUST respond with the 413 status."
    assert (limited.create(11).status_code, limited.create(10).status_code) == (413, 201)


def test_a_browser_may_send_and_read_the_headers(tus: Tus) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "tus-resumable,upload-offset,content-type",
    }
    preflight = tus.ask("OPTIONS", UNKNOWN, asked)
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "upload-offset" in preflight.headers["Access-Control-Allow-Headers"].lower()
    exposed = tus.create(1, Origin="https://app.example").headers["Access-Control-Expose-Headers"]
    assert {"Location", "Upload-Offset", "Upload-Length", "Tus-Resumable"} <= set(exposed.split(", "))


# Creation


def test_creation_names_the_upload(tus: Tus) -> None:
    # "The Server MUST acknowledge a successful upload creation with the 201 Created status. The Server MUST set the
    # Location header to the URL of the created resource. This URL MAY be absolute or relative."
    answer = tus.create(11)
    assert answer.status_code == 201
    assert re.fullmatch(r"\.\./files/resumable/[\w-]{32}", answer.headers["Location"])
    assert answer.headers["Upload-Offset"] == "0"


@pytest.mark.parametrize(
    ("length", "deferred"),
    [
        (None, None),
        ("11", "1"),
        (None, "0"),
        (None, "true"),
        ("-1", None),
        ("1.5", None),
        ("", None),
        (str(2**63), None),
    ],
)
def test_creation_needs_a_length_or_says_that_it_comes_later(
    tus: Tus, length: str | None, deferred: str | None
) -> None:
    # "The request MUST include one of the following headers: a) Upload-Length [...] b) Upload-Defer-Length: 1".
    # "If the Upload-Defer-Length header contains any other value than 1 the server should return a 400".
    answer = tus.create(Upload_Length=length, Upload_Defer_Length=deferred)
    assert answer.status_code == 400


def test_length_comes_once(tus: Tus) -> None:
    # "As long as the length of the upload is not known, the Server MUST set Upload-Defer-Length: 1 in all responses to
    # HEAD requests." "Once set the length MUST NOT be changed."
    upload = tus.created(Upload_Defer_Length="1")
    assert tus.patch(upload, 0, b"hello").status_code == 204
    head = tus.head(upload)
    assert (head.headers["Upload-Defer-Length"], "Upload-Length" in head.headers) == ("1", False)
    assert tus.patch(upload, 5, b"", Upload_Length="3").status_code == 400
    assert tus.patch(upload, 5, b"", Upload_Length="11").status_code == 204
    head = tus.head(upload)
    assert ("Upload-Defer-Length" in head.headers, head.headers["Upload-Length"]) == (False, "11")
    assert tus.patch(upload, 5, b" world", Upload_Length="12").status_code == 400
    assert tus.patch(upload, 5, b" world", Upload_Length="11").status_code == 204
    assert content(tus) == "hello world"


def test_deferred_length_is_limited_too(tus: Tus, make_app: object) -> None:
    # "If the length of the upload exceeds the maximum, [...] the Server MUST respond with the 413 status."
    assert callable(make_app)
    limited = Tus(make_app(MAX_FILE_SIZE="10").test_client())
    upload = limited.created(Upload_Defer_Length="1")
    assert limited.patch(upload, 0, Upload_Length="11").status_code == 413
    assert limited.patch(upload, 0, HELLO).status_code == 413
    head = limited.head(upload)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Defer-Length"]) == ("0", "1")


def test_metadata_comes_back_as_it_was_sent(tus: Tus) -> None:
    # "responses to HEAD requests MUST include the Upload-Metadata header and its value as specified by the Client
    # during the creation." "The value MAY be empty. In these cases, the space [...] MAY be left out."
    sent = f"{new_txt()['Upload-Metadata']},is_confidential,empty ,binary AP8="
    upload = tus.created(11, Upload_Metadata=sent)
    assert tus.head(upload).headers["Upload-Metadata"] == sent


@pytest.mark.parametrize(
    "value",
    [
        "bucket_id !!!",
        "bucket_id cGhvdG9",
        f"{new_txt()['Upload-Metadata']},filename YQ==,filename YQ==",
        f"{new_txt()['Upload-Metadata']},, ",
        f"{new_txt()['Upload-Metadata']},x {'A' * 16384}",
        metadata(bucket_id="photos", file_id=b"\xff")["Upload-Metadata"],
        new_txt(metadata="[]")["Upload-Metadata"],
        new_txt(metadata="{")["Upload-Metadata"],
        new_txt(overwrite="yes")["Upload-Metadata"],
        new_txt(cache_control="a\nb")["Upload-Metadata"],
        new_txt(filename="../x" * 100)["Upload-Metadata"],
        metadata(bucket_id="photos", file_id="a//b")["Upload-Metadata"],
        metadata(bucket_id="photos")["Upload-Metadata"],
        metadata(file_id="new.txt")["Upload-Metadata"],
        "",
        None,
    ],
)
def test_wrong_metadata_is_refused(tus: Tus, services: Services, value: str | None) -> None:
    answer = tus.create(11, Upload_Metadata=value)
    assert answer.status_code == 400, answer.text
    assert list(services.resumables.ids()) == []


def test_metadata_describes_the_file(tus: Tus) -> None:
    described = metadata(
        bucket_id="photos",
        file_id="2026/猫.txt",
        filename="猫.txt",
        filetype="text/plain",
        metadata='{"k": [1]}',
        cache_control="max-age=60",
    )
    tus.created(11, HELLO, Upload_Metadata=described["Upload-Metadata"])
    record = tus.ask("GET", "/files/info/photos/2026/%E7%8C%AB.txt", bearer())
    assert record.status_code == 200
    for shown in (
        '"content_type":"text/plain; charset=utf-8"',
        '"metadata":{"k":[1]}',
        '"cache_control":"max-age=60"',
        '"owner_id":"alice"',
    ):
        assert shown in record.text


def test_empty_upload_is_complete_at_once(tus: Tus) -> None:
    upload = tus.created(0)
    assert (tus.offset(upload), content(tus)) == (0, "")


# Creation With Upload


def test_creation_may_bring_the_first_bytes_or_all(tus: Tus) -> None:
    # "The Server [...] MUST include the Upload-Offset header in the response and MUST set its value to the offset of
    # the upload after applying the accepted bytes."
    answer = tus.create(11, b"hello")
    assert (answer.status_code, answer.headers["Upload-Offset"], content(tus)) == (201, "5", None)
    answer = tus.create(11, HELLO)
    assert (answer.status_code, answer.headers["Upload-Offset"], content(tus)) == (201, "11", "hello world")


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"hello", {"Content_Type": "text/plain"}, 415),
        (b"hello", {"Content_Type": None}, 415),
        (b"hello world!", {}, 413),
        (b"hello", {"Upload_Checksum": checksum(b"other")}, 460),
        (b"hello", {"Content_Encoding": "gzip"}, 415),
    ],
)
def test_creation_whose_bytes_are_refused_leaves_nothing(
    tus: Tus, services: Services, data: bytes, headers: dict[str, Any], status: int
) -> None:
    assert tus.create(11, data, **headers).status_code == status
    assert list(services.resumables.ids()) == []
    with services.index.write() as transaction:
        assert transaction.open_resumables() == (0, 0)


# HEAD and PATCH


def test_head_always_tells_the_offset(tus: Tus) -> None:
    # "The Server MUST always include the Upload-Offset header in the response for a HEAD request, even if the offset is
    # 0, or the upload is already considered completed. If the size of the upload is known, the Server MUST include the
    # Upload-Length header in the response."
    upload = tus.created(11)
    for data, offset in ((b"", 0), (b"hello", 5), (b" world", 11)):
        if data:
            tus.patch(upload, tus.offset(upload), data)
        head = tus.head(upload)
        assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(offset), "11")


def test_head_of_an_unknown_upload_tells_no_offset(tus: Tus) -> None:
    # "If the resource is not found, the Server SHOULD return either the 404 Not Found, 410 Gone or 403 Forbidden status
    # without the Upload-Offset header."
    answer = tus.head(UNKNOWN)
    assert (answer.status_code, "Upload-Offset" in answer.headers) == (404, False)
    assert tus.patch(UNKNOWN, 0, b"x").status_code == 404
    assert tus.delete(UNKNOWN).status_code == 404


def test_patch_tells_the_new_offset(tus: Tus) -> None:
    # "The Server MUST acknowledge successful PATCH requests with the 204 No Content status. It MUST include the
    # Upload-Offset header containing the new offset."
    upload = tus.created(11)
    first, last = tus.patch(upload, 0, b"hello"), tus.patch(upload, 5, b" world")
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "5")
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, "11")
    assert content(tus) == "hello world"


@pytest.mark.parametrize("offset", [0, 4, 6, 11, 2**62])
def test_patch_at_another_offset_changes_nothing(tus: Tus, offset: int) -> None:
    # "If the offsets do not match, the Server MUST respond with the 409 Conflict status without modifying the upload
    # resource."
    upload = tus.created(11, b"hello")
    answer = tus.patch(upload, offset, b" world")
    assert (answer.status_code, tus.offset(upload)) == (409, 5)
    tus.patch(upload, 5, b" world")
    assert content(tus) == "hello world"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload_Offset": None}, 400),
        ({"Upload_Offset": "-1"}, 400),
        ({"Upload_Offset": "0x0"}, 400),
        ({"Content_Type": None}, 415),
        ({"Content_Type": "application/octet-stream"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Upload_Length": "12"}, 400),
        ({"Upload_Checksum": "sha1"}, 400),
        ({"Upload_Checksum": "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}, 400),
        ({"Upload_Checksum": "sha1 !"}, 400),
        ({"Upload_Checksum": "md5 XUFAKrxLKna5cZ2REBfFkg=="}, 400),
        ({"Upload_Checksum": checksum(b"other")}, 460),
        ({"Upload_Checksum": checksum(b"other", "sha256")}, 460),
    ],
)
def test_wrong_patch_changes_nothing(tus: Tus, headers: dict[str, Any], status: int) -> None:
    # Checksum: "400 Bad Request if the checksum algorithm is not supported by the server, 460 Checksum Mismatch if the
    # checksums mismatch [...] In the first two cases the uploaded chunk MUST be discarded, and the upload and its
    # offset MUST NOT be updated."
    upload = tus.created(11)
    answer = tus.patch(upload, 0, HELLO, **headers)
    assert (answer.status_code, tus.offset(upload), content(tus)) == (status, 0, None)
    assert tus.patch(upload, 0, HELLO).status_code == 204
    assert content(tus) == "hello world"


def test_patch_beyond_the_length_is_refused_whole(tus: Tus) -> None:
    upload = tus.created(11, b"hello")
    answer = tus.patch(upload, 5, b" world!")
    assert (answer.status_code, tus.offset(upload)) == (413, 5)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_patch_with_a_right_checksum_counts(tus: Tus, algorithm: str) -> None:
    upload = tus.created(11)
    assert tus.patch(upload, 0, b"hello", Upload_Checksum=checksum(b"hello", algorithm)).status_code == 204
    assert tus.patch(upload, 5, b"", Upload_Checksum=checksum(b"", algorithm)).status_code == 204
    assert tus.patch(upload, 5, b"", Upload_Checksum=checksum(b"x", algorithm)).status_code == 460
    assert tus.patch(upload, 5, b" world", Upload_Checksum=checksum(b" world", algorithm)).status_code == 204
    assert content(tus) == "hello world"


def test_complete_upload_takes_nothing_more(tus: Tus) -> None:
    upload = tus.created(11, HELLO)
    assert tus.patch(upload, 11).status_code == 204
    assert tus.patch(upload, 11, b"!").status_code == 413
    assert tus.patch(upload, 0, HELLO).status_code == 409
    assert content(tus) == "hello world"


# X-HTTP-Method-Override: "MUST be interpreted as the request's method by the Server". docs/decisions/0045.


def test_post_may_be_a_patch_or_a_delete(tus: Tus) -> None:
    upload = tus.created(11)
    override = VERSION | PIECE | {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert tus.ask("POST", upload, override, b"hello").status_code == 204
    assert tus.offset(upload) == 5
    assert tus.ask("POST", upload, VERSION | {"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert tus.head(upload).status_code == 410


@pytest.mark.parametrize("override", [{}, {"X-HTTP-Method-Override": "HEAD"}, {"X-HTTP-Method-Override": "PUT"}])
def test_post_is_nothing_else(tus: Tus, override: dict[str, str]) -> None:
    assert tus.ask("POST", tus.created(11), VERSION | override).status_code == 400


def test_method_of_other_requests_is_theirs(tus: Tus) -> None:
    upload = tus.created(11)
    assert tus.head(upload, X_HTTP_Method_Override="DELETE").status_code == 200
    answer = tus.ask("GET", "/files/list/photos", bearer() | {"X-HTTP-Method-Override": "DELETE"})
    assert (answer.status_code, tus.offset(upload)) == (200, 0)


# Expiration: "This header MUST be included in every PATCH response if the upload is going to expire. If the expiration
# is known at the creation, the Upload-Expires header MUST be included in the response to the initial POST request."


def test_every_answer_about_an_upload_tells_when_it_ends(tus: Tus) -> None:
    created = tus.create(11)
    upload = f"{ENDPOINT}/{created.headers['Location'].rpartition('/')[2]}"
    answers = [created, tus.head(upload), tus.patch(upload, 0, b"hello"), tus.patch(upload, 5, b" world")]
    ends = [answer.headers["Upload-Expires"] for answer in answers]
    # "The value of the Upload-Expires header MUST be in RFC 7231 datetime format."
    assert len(set(ends)) == 1
    assert ends[0].endswith(" GMT")
    assert parsedate_to_datetime(ends[0]).year > 2000


@pytest.mark.parametrize(
    ("offset", "data", "headers", "status"),
    [
        (0, HELLO, {"Upload_Offset": None}, 400),
        (5, b"late", {}, 409),
        (0, b"hello world!", {}, 413),
        (0, HELLO, {"Content_Type": "text/plain"}, 415),
        (0, HELLO, {"Upload_Checksum": checksum(b"other")}, 460),
    ],
)
def test_refused_patch_tells_when_the_upload_ends(
    tus: Tus, offset: int, data: bytes, headers: dict[str, Any], status: int
) -> None:
    # "This header MUST be included in every PATCH response if the upload is going to expire."
    created = tus.create(11)
    upload = f"{ENDPOINT}/{created.headers['Location'].rpartition('/')[2]}"
    answer = tus.patch(upload, offset, data, **headers)
    assert (answer.status_code, answer.headers.get("Upload-Expires")) == (status, created.headers["Upload-Expires"])


def test_upload_that_is_gone_or_unknown_does_not_end(tus: Tus) -> None:
    ended = tus.created(11)
    answers = [tus.delete(ended), tus.patch(ended, 0, HELLO), tus.head(ended), tus.patch(UNKNOWN, 0, HELLO)]
    assert [answer.status_code for answer in answers] == [204, 410, 410, 404]
    assert not any("Upload-Expires" in answer.headers for answer in answers)


# Termination: "MUST respond with the 204 No Content status [...] For all future requests to this URL, the Server SHOULD
# respond with the 404 Not Found or 410 Gone status."


@pytest.mark.parametrize("data", [b"", b"hello", HELLO])
def test_terminated_upload_is_gone(tus: Tus, data: bytes) -> None:
    upload = tus.created(11, data)
    assert tus.delete(upload).status_code == 204
    answers = [tus.head(upload), tus.patch(upload, len(data), b"x"), tus.delete(upload)]
    assert [answer.status_code for answer in answers] == [410] * 3
    assert content(tus) == ("hello world" if data == HELLO else None)


# Concatenation


def parts_of(tus: Tus, *pieces: bytes) -> list[str]:
    return [tus.created(len(piece), piece, Upload_Concat="partial", Upload_Metadata=IN_PHOTOS) for piece in pieces]


def test_final_upload_has_the_bytes_of_its_parts_in_order(tus: Tus) -> None:
    # "The length of the final upload MUST be the sum of the length of all partial uploads." "The partial uploads MUST
    # be concatenated as per the order specified in the list."
    one, two = parts_of(tus, b" world", b"hello")
    concat = f"final;{two} https://files.example{one}"
    final = tus.created(Upload_Concat=concat)
    head = tus.head(final)
    # "After successful concatenation, the Upload-Offset and Upload-Length MUST be set and their values MUST be equal."
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("11", "11")
    # "Response to HEAD request against partial or final upload MUST include the Upload-Concat header and its value as
    # received in the upload creation request."
    assert head.headers["Upload-Concat"] == concat
    assert content(tus) == "hello world"
    assert [tus.head(part).status_code for part in (one, two)] == [410, 410]


def test_metadata_of_parts_is_not_that_of_the_whole(tus: Tus) -> None:
    # "When creating a new final upload the partial uploads' metadata SHALL NOT be transferred to the new final upload."
    described = metadata(bucket_id="photos", filename="part.txt", filetype="text/css")["Upload-Metadata"]
    part = tus.created(5, b"hello", Upload_Concat="partial", Upload_Metadata=described)
    final = tus.created(Upload_Concat=f"final;{part}")
    assert tus.head(final).headers["Upload-Metadata"] == new_txt()["Upload-Metadata"]
    record = tus.ask("GET", "/files/info/photos/new.txt", bearer()).text
    assert '"filename":"new.txt"' in record
    assert "text/css" not in record


def test_part_tells_that_it_is_one_and_becomes_no_file(tus: Tus) -> None:
    # "The response to a HEAD request for a partial upload MUST contain the Upload-Offset header."
    (part,) = parts_of(tus, HELLO)
    head = tus.head(part)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Concat"]) == ("11", "partial")
    assert content(tus) is None


def test_final_upload_takes_no_bytes(tus: Tus) -> None:
    # "The Server MUST respond with the 403 Forbidden status to PATCH requests against a final upload URL and MUST NOT
    # modify the final or its partial uploads."
    final = tus.created(Upload_Concat=f"final;{parts_of(tus, HELLO)[0]}")
    assert tus.patch(final, 11, b"!").status_code == 403
    assert content(tus) == "hello world"


def test_what_cannot_be_joined_is_refused_and_the_parts_stay(tus: Tus) -> None:
    (part,) = parts_of(tus, b"hello")
    whole = tus.created(11, b"hello")
    half = tus.created(11, b"hello", Upload_Concat="partial", Upload_Metadata=IN_PHOTOS)
    tus.ask("POST", "/buckets", bearer() | {"Content-Type": "application/json"}, b'{"name": "films"}')
    in_films = metadata(bucket_id="films")["Upload-Metadata"]
    elsewhere = tus.created(1, b"x", Upload_Concat="partial", Upload_Metadata=in_films)
    for value, status in (
        ("final;", 400),
        ("final", 400),
        (f"Final;{part}", 400),
        ("whole", 400),
        (f"final;{part} {whole}", 400),
        (f"final;{part} {half}", 400),
        (f"final;{part} {elsewhere}", 400),
        (f"final;{part} {UNKNOWN}", 404),
        ("final;" + " ".join([part] * 1001), 400),
    ):
        answer = tus.create(Upload_Concat=value)
        assert (answer.status_code, content(tus)) == (status, None), value
    # "The Client MUST NOT include the Upload-Length header in the final upload creation."
    assert tus.create(5, Upload_Concat=f"final;{part}").status_code == 400
    assert tus.create(data=b"x", Upload_Concat=f"final;{part}").status_code == 400
    assert tus.create(Upload_Concat=f"final;{part}").status_code == 201
    assert content(tus) == "hello"


# Who may


def test_url_of_the_upload_is_the_right_to_it(tus: Tus) -> None:
    upload = tus.created(11)
    assert tus.patch(upload, 0, b"hello").status_code == 204
    assert tus.patch(upload, 5, b" world", Authorization="Bearer expired").status_code == 204
    assert tus.delete(upload, Authorization="Bearer expired").status_code == 204


@pytest.mark.parametrize(
    ("login", "status"),
    [({}, 401), ({"Authorization": "Bearer x"}, 401), ({"apikey": ANON_KEY}, 403), (bearer("bob"), 403)],
)
def test_creation_needs_the_right_to_upload(tus: Tus, login: dict[str, str], status: int) -> None:
    assert Tus(tus.http, login).create(11).status_code == status


def test_refusal_at_the_end_keeps_nothing(tus: Tus, services: Services) -> None:
    # Nobody had the key at the creation.
    upload = tus.created(11, b"hello")
    tus.ask("PUT", "/files/upload-direct/photos/new.txt", bearer(), b"first")
    answer = tus.patch(upload, 5, b" world")
    assert (answer.status_code, content(tus)) == (409, "first")
    assert tus.head(upload).status_code == 410
    assert list(services.resumables.ids()) == []
    with services.index.write() as transaction:
        assert transaction.open_resumables() == (0, 0)


def test_conditions_count_at_the_creation_and_at_the_end(tus: Tus) -> None:
    overwrite = new_txt(overwrite="true")["Upload-Metadata"]
    upload = tus.created(11, b"hello", If_None_Match="*", Upload_Metadata=overwrite)
    tus.ask("PUT", "/files/upload-direct/photos/new.txt", bearer(), b"first")
    assert tus.create(11, If_None_Match="*", Upload_Metadata=overwrite).status_code == 412
    assert (tus.patch(upload, 5, b" world").status_code, content(tus)) == (412, "first")
    replacing = tus.created(11, HELLO, Upload_Metadata=overwrite)
    assert (tus.offset(replacing), content(tus)) == (11, "hello world")


def test_rights_are_judged_again_at_the_end(tus: Tus) -> None:
    json = bearer() | {"Content-Type": "application/json"}
    tus.ask("PATCH", "/buckets/photos", json, b'{"grants": {"bob": "write"}}')
    upload = Tus(tus.http, bearer("bob")).created(11, b"hello")
    tus.ask("PATCH", "/buckets/photos", json, b'{"grants": {}}')
    assert (tus.patch(upload, 5, b" world").status_code, tus.head(upload).status_code) == (403, 410)


def test_upload_ends_with_its_bucket(tus: Tus) -> None:
    upload = tus.created(11, b"hello")
    tus.ask("DELETE", "/buckets/photos?force=true", bearer())
    tus.ask("POST", "/buckets", bearer() | {"Content-Type": "application/json"}, b'{"name": "photos"}')
    assert tus.patch(upload, 5, b" world").status_code == 410
    assert content(tus) is None


# By a signed URL


def signed(client: FlaskClient, **body: object) -> str:
    answer = client.post(
        "/files/initiate-upload", json={"bucket_id": "photos", "filename": "new.txt", **body}, headers=bearer()
    )
    url: str = answer.json["resumable_url"] if answer.json else ""
    assert url.startswith("https://files.example/files/resumable/signed/")
    return url.removeprefix("https://files.example")


def test_signed_url_creates_without_an_account(tus: Tus, client: FlaskClient) -> None:
    anybody = Tus(tus.http, {"Authorization": "Bearer whatever"})
    url = signed(client, content_type="text/plain", metadata={"k": 1}, size=11)
    upload = anybody.created(11, b"hello", to=url, Upload_Metadata=None)
    assert anybody.patch(upload, 5, b" world").status_code == 204
    record = client.get("/files/info/photos/new.txt", headers=bearer()).json
    assert record is not None
    assert (record["owner_id"], record["content_type"], record["metadata"]) == (
        "alice",
        "text/plain; charset=utf-8",
        {"k": 1},
    )


@pytest.mark.parametrize(
    ("bound", "headers", "status"),
    [
        ({"size": 10}, {}, 413),
        ({"size": 12}, {}, 400),
        ({"content_type": "image/png"}, metadata(filetype="text/plain"), 415),
        ({}, metadata(file_id="other.txt"), 400),
        ({}, metadata(bucket_id="films"), 400),
    ],
)
def test_signed_url_binds(
    tus: Tus, client: FlaskClient, bound: dict[str, object], headers: dict[str, str], status: int
) -> None:
    given: dict[str, Any] = {"Upload_Metadata": headers.get("Upload-Metadata")}
    assert tus.create(11, to=signed(client, **bound), **given).status_code == status


def test_signed_digest_is_judged_at_the_end(tus: Tus, client: FlaskClient) -> None:
    url = signed(client, sha256=hashlib.sha256(b"another").hexdigest())
    upload = tus.created(11, b"hello", to=url, Upload_Metadata=None)
    answer = tus.patch(upload, 5, b" world")
    assert (answer.status_code, "digest_mismatch" in answer.text, content(tus)) == (400, True, None)
    assert tus.head(upload).status_code == 410


def test_forged_signed_url_creates_nothing(tus: Tus, client: FlaskClient) -> None:
    url = signed(client)
    assert tus.create(11, to=url.replace("new.txt", "old.txt"), Upload_Metadata=None).status_code == 403
    assert tus.create(11, to=url.replace("/signed/ey", "/signed/ex"), Upload_Metadata=None).status_code == 403
