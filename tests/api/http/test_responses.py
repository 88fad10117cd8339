"""Answers in JSON: few bytes, the same for the same object, and readable in any charset."""

from storage_app.api.http.responses import json_array, json_response, json_text


def test_json_is_compact_sorted_and_ascii() -> None:
    answer = json_response({"b": [1, {"z": None, "a": 1.5}], "a": "é"}, 201, {"Location": "/a"})
    assert answer.get_data() == b'{"a":"\\u00e9","b":[1,{"a":1.5,"z":null}]}\n'
    assert answer.status_code == 201
    assert list(answer.headers) == [
        ("Content-Type", "application/json"), ("Content-Length", "42"), ("Location", "/a"),
    ]  # fmt: skip


def test_answer_without_more_is_200_with_its_length() -> None:
    answer = json_response([])
    assert (answer.status_code, answer.get_data(), answer.headers["Content-Length"]) == (200, b"[]\n", "3")
    assert "Location" not in answer.headers


def test_array_is_what_its_texts_make_it() -> None:
    documents = [{"b": "é"}, [1, 2], "x"]
    answer = json_array([json_text(document) for document in documents], {"Link": "<?a>"})
    assert answer.get_data() == json_response(documents).get_data()
    assert (answer.headers["Content-Type"], answer.headers["Link"]) == ("application/json", "<?a>")
    assert json_array([]).get_data() == b"[]\n"
