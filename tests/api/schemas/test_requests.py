import marshmallow as ma
import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.blueprint import Blueprint
from tests.support.service import bearer

ALICE = bearer("alice")


def test_no_query_means_what_a_query_that_says_nothing_means(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=ALICE)
    path = "/files/upload-direct/photos/a.txt"
    assert client.put(path, data=b"a", headers=ALICE).status_code == 201
    for query, status in {"": 200, "?other=1": 200, "?&": 200, "?overwrite=false": 409, "?overwrite=": 422}.items():
        # One request must not change what the next one takes for the defaults.
        assert (query, client.put(path + query, data=b"b", headers=ALICE).status_code) == (query, status)
        assert (query, client.put(path, data=b"b", headers=ALICE).status_code) == (query, 200)
    files = [client.get(f"/files/list/photos{query}", headers=ALICE).json for query in ("", "?other=1", "?limit=1000")]
    assert files[0] == files[1] == files[2] != []


@pytest.mark.parametrize(("query", "first", "second"), [("", 1, 2), ("?first=3&second=4", 3, 4)])
def test_view_takes_the_arguments_of_several_decorators(query: str, first: int, second: int) -> None:
    blueprint = Blueprint("several", __name__)

    @blueprint.arguments(ma.Schema.from_dict({"first": ma.fields.Integer(load_default=1)}), location="query")
    @blueprint.arguments(ma.Schema.from_dict({"second": ma.fields.Integer(load_default=2)}), location="query")
    def view(*arguments: object, **path: str) -> object:
        return arguments, path

    with Flask(__name__).test_request_context(f"/{query}"):
        assert view("self", key="a") == (("self", {"first": first}, {"second": second}), {"key": "a"})
